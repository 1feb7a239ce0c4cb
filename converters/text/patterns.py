r"""Translation of scikit-learn's `token_pattern` into an RE2 expression that means the same.

Python and RE2 disagree on what `\w`, `\s` or `\b` mean beyond ASCII, and the Tokenizer operator
takes the longest match where Python takes the first that works. So each item that stands for one
character is replaced by the characters that Python matches with it, and a pattern is taken only
if the next character always decides how to go on: then the greedy match is the longest one.
"""

import re
from collections import defaultdict
from functools import cache
from itertools import combinations
from typing import NamedTuple

from converters.errors import UnsupportedModel
from converters.text.tables import members, re2_class

_REPEAT = re.compile(r"[*+?]|\{(\d+)(,?)(\d*)\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[wWsSdD]|[nrtfva]|[^0-9a-zA-Z])"
)
_WHOLE_WORDS = re.compile(r"\\b\(?(?:\\w(?:[*+]|\{\d+,\})?)+\)?\\b")
_MOST_REPEATS = 1000  # RE2 compiles no more
# RE2 writes repeats out. Beyond this many characters of classes it gets slow or gives up; the
# class for \w has 11,600.
_LARGEST = 120_000


@cache
def re2_pattern(pattern: str) -> str:
    """Translate a token pattern.

    Args:
        pattern: a Python expression with at most one capturing group, around all of it.

    Returns:
        An expression for the Tokenizer operator's `tokenexp`.

    Raises:
        UnsupportedModel: the pattern uses something whose meaning may differ.
    """
    compiled = re.compile(pattern)
    if compiled.flags & ~(re.UNICODE | re.DOTALL):
        raise _refusal(pattern, "flags other than (?u) and (?s)")
    body = re.sub(r"^\(\?[us]+\)", "", pattern)
    if _WHOLE_WORDS.fullmatch(body):
        body = _widest_run(body)
    return _Translation(pattern, body, re.RegexFlag(compiled.flags & re.DOTALL)).run()


def _widest_run(body: str) -> str:
    r"""Turn \b\w\w+\b into the equal \w{2,}: greedy runs of word characters end at boundaries."""
    repeats = re.findall(r"\\w([*+]|\{\d+,\})?", body)
    least = {"": 1, "+": 1, "*": 0}
    fewest = sum(least[one] if one in least else int(one[1:-2]) for one in repeats)
    if fewest == 0 or not any(repeats):
        return body
    return rf"\w{{{fewest},}}"


def _refusal(pattern: str, what: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"token_pattern {pattern!r} uses {what}, which cannot be exported exactly. Use the "
        r"default token_pattern, or one made of characters, classes such as [a-z] or \w, "
        "(?:groups), | and greedy repeats, and fit the vectorizer again"
    )


class _Piece(NamedTuple):
    """A translated part of a pattern.

    Attributes:
        written: its RE2 form.
        size: length of that form with all repeats written out.
        empty: whether it matches the empty string.
        first, last: numbers of the items that a match can begin and end with.
    """

    written: str
    size: int
    empty: bool
    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()


class _Translation:
    """Reads a pattern from left to right and writes its RE2 form."""

    def __init__(self, pattern: str, body: str, flags: re.RegexFlag) -> None:
        self.pattern = pattern
        self.body = body
        self.flags = flags
        self.place = 0
        self.items: list[frozenset[str]] = []
        self.followers: dict[int, frozenset[int]] = defaultdict(frozenset)
        if re.compile(body).groups:
            self._drop_capturing_group()

    def run(self) -> str:
        """Translate the whole body."""
        whole = self._alternatives()
        if self.place < len(self.body):
            raise self._refuse(repr(self.body[self.place :][:3]))
        if whole.empty:
            raise self._refuse("an expression that matches the empty string")
        for choices in (whole.first, *self.followers.values()):
            self._check_decided(choices)
        if whole.size > _LARGEST:
            raise self._refuse("too many repeats of large classes")
        return whole.written

    def _drop_capturing_group(self) -> None:
        inside = self.body[1:-1]
        whole = self.body.startswith("(") and self.body.endswith(")") and inside[:1] != "?"
        try:
            whole = whole and re.compile(inside).groups == 0
        except re.error:
            whole = False
        if not whole:
            raise self._refuse("a capturing group around a part of it")
        self.body = inside

    def _check_decided(self, choices: frozenset[int]) -> None:
        for one, other in combinations(sorted(choices), 2):
            if not self.items[one].isdisjoint(self.items[other]):
                raise self._refuse("alternatives or repeats that one character can go on with both")

    def _alternatives(self) -> _Piece:
        branches = [self._sequence()]
        while self.body[self.place :].startswith("|"):
            self.place += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        if any(branch.empty for branch in branches):
            raise self._refuse("an alternative that matches the empty string")
        return _Piece(
            "|".join(branch.written for branch in branches),
            sum(branch.size for branch in branches),
            False,
            frozenset().union(*(branch.first for branch in branches)),
            frozenset().union(*(branch.last for branch in branches)),
        )

    def _sequence(self) -> _Piece:
        whole = _Piece("", 0, empty=True)
        while self.place < len(self.body) and self.body[self.place] not in "|)":
            piece = self._repeated()
            self._follow(whole.last, piece.first)
            whole = _Piece(
                whole.written + piece.written,
                whole.size + piece.size,
                whole.empty and piece.empty,
                whole.first | piece.first if whole.empty else whole.first,
                whole.last | piece.last if piece.empty else piece.last,
            )
        return whole

    def _repeated(self) -> _Piece:
        piece = self._group() if self.body.startswith("(?:", self.place) else self._item()
        match = _REPEAT.match(self.body, self.place)
        if match is None:
            return piece
        source = match.group()
        self.place = match.end()
        if self.body[self.place : self.place + 1] in tuple("?+*{"):
            raise self._refuse(f"the lazy, possessive or double repeat after {source!r}")
        if piece.empty:
            raise self._refuse("a repeated group that matches the empty string")
        least, most = _bounds(match)
        copies = least + 1 if most is None else most
        if not 1 <= copies <= _MOST_REPEATS:
            raise self._refuse(f"the repeat {source!r}")
        if most is None or most > 1:
            self._follow(piece.last, piece.first)
        return piece._replace(
            written=piece.written + source, size=piece.size * copies, empty=least == 0
        )

    def _group(self) -> _Piece:
        self.place += len("(?:")
        inside = self._alternatives()
        self.place += len(")")
        return inside._replace(written=f"(?:{inside.written})")

    def _item(self) -> _Piece:
        """Replace an item that matches one character by the set that Python gives it."""
        rest = self.body[self.place :]
        match = _CLASS.match(rest) or _ESCAPE.match(rest)
        if match is None and rest[0] in "\\[(^$*+?{}":
            raise self._refuse(repr(rest[:3]))
        source = match.group() if match else rest[0]
        found = members(source, self.flags)
        if not found:
            raise self._refuse(f"{source!r}, which matches no character")
        self.place += len(source)
        self.items.append(found)
        position = frozenset([len(self.items) - 1])
        written = _written(source, self.flags)
        return _Piece(written, len(written), False, position, position)

    def _follow(self, before: frozenset[int], after: frozenset[int]) -> None:
        for item in before:
            self.followers[item] |= after

    def _refuse(self, what: str) -> UnsupportedModel:
        return _refusal(self.pattern, what)


@cache
def _written(source: str, flags: re.RegexFlag) -> str:
    return re2_class(members(source, flags))


def _bounds(match: re.Match[str]) -> tuple[int, int | None]:
    """Read a repeat: the least and the most number of times, None for any number."""
    least, comma, most = match.groups()
    if least is None:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[match.group()]
    if not comma:
        return int(least), int(least)
    return int(least), int(most) if most else None
