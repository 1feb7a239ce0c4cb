r"""Translation of scikit-learn's `token_pattern` into an RE2 expression that means the same.

Python and RE2 agree on how alternatives, groups and greedy repeats search; they disagree on
what `\w`, `\s`, `\b` or a case-insensitive letter mean beyond ASCII. So the structure is copied,
each item that stands for one character is replaced by the characters that Python matches with
it, and everything else is refused.
"""

import re
from functools import cache

from converters.errors import UnsupportedModel
from converters.text_tables import members, re2_class

_MOST_REPEATS = 1000  # RE2 compiles no more
_REPEAT = re.compile(r"[*+?]|\{(\d+)(,?)(\d*)\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[wWsSdD]|[nrtfva]|[^0-9a-zA-Z])"
)
_WHOLE_WORDS = re.compile(r"\\b\(?(?:\\w(?:[*+]|\{\d+,\})?)+\)?\\b")


@cache
def re2_pattern(pattern: str) -> str:
    """Translate a token pattern.

    Args:
        pattern: a Python expression with at most one capturing group, around all of it.

    Returns:
        An expression for the Tokenizer operator's `tokenexp`.

    Raises:
        UnsupportedModel: the pattern uses something whose meaning may differ in RE2, or it
            matches the empty string.
    """
    compiled = re.compile(pattern)
    if compiled.flags & ~(re.UNICODE | re.DOTALL):
        raise _refusal(pattern, "flags other than (?u) and (?s)")
    if compiled.fullmatch(""):
        raise _refusal(pattern, "an expression that matches the empty string")
    body = re.sub(r"^\(\?[us]+\)", "", pattern)
    if _WHOLE_WORDS.fullmatch(body):
        # A run of word characters taken greedily always ends at word boundaries.
        body = _widest_run(body)
    return _Translation(pattern, body, compiled.flags).run()


def _widest_run(body: str) -> str:
    r"""Turn \b\w\w+\b into the equal \w{2,}; the boundaries forbid to stop inside a word."""
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


class _Translation:
    """Reads a pattern from left to right and writes its RE2 form."""

    def __init__(self, pattern: str, body: str, flags: int) -> None:
        self.pattern = pattern
        self.body = body
        self.flags = re.RegexFlag(flags & re.DOTALL)
        self.place = 0
        self.openings: list[int] = []
        self.captures = re.compile(pattern).groups > 0

    def run(self) -> str:
        """Translate the whole body."""
        if self.captures and not re.match(r"\((?!\?)", self.body):
            raise self._refuse("a capturing group around a part of it")
        written = [self._open("(")] if self.captures else []
        while self.place < len(self.body):
            written.append(self._item())
        return "".join(written)

    def _item(self) -> str:
        rest = self.body[self.place :]
        if rest.startswith("(?:"):
            return self._open("(?:")
        if rest[0] == ")":
            return self._close()
        if rest[0] == "|":
            return self._take("|", "|")
        if rest[0] in "(^$*+?{}":
            raise self._refuse(repr(rest[:3]))
        return self._one_character(rest) + self._repeat()

    def _open(self, source: str) -> str:
        self.openings.append(self.place + len(source))
        return self._take(source, "(?:")

    def _close(self) -> str:
        inside = self.body[self.openings.pop() : self.place]
        written = self._take(")", ")")
        if self.captures and not self.openings and self.place < len(self.body):
            raise self._refuse("a capturing group around a part of it")
        repeat = self._repeat()
        if repeat and re.compile(inside).fullmatch(""):
            raise self._refuse("a repeated group that matches the empty string")
        return written + repeat

    def _one_character(self, rest: str) -> str:
        """Replace an item that matches one character by the set that Python gives it."""
        match = _CLASS.match(rest) or _ESCAPE.match(rest)
        if match is None and rest[0] in "\\[":
            raise self._refuse(repr(rest[:3]))
        source = match.group() if match else rest[0]
        found = members(source, self.flags)
        if not found:
            raise self._refuse(f"{source!r}, which matches no character")
        return self._take(source, re2_class(found))

    def _repeat(self) -> str:
        match = _REPEAT.match(self.body, self.place)
        if match is None:
            return ""
        source = match.group()
        following = self.body[self.place + len(source) :][:1]
        if following and following in "?+*{":
            raise self._refuse(f"the lazy, possessive or double repeat {source + following!r}")
        if any(int(number) > _MOST_REPEATS for number in re.findall(r"\d+", source)):
            raise self._refuse(f"more than {_MOST_REPEATS} repeats")
        return self._take(source, source)

    def _take(self, source: str, written: str) -> str:
        self.place += len(source)
        return written

    def _refuse(self, what: str) -> UnsupportedModel:
        return _refusal(self.pattern, what)
