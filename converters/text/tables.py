"""Python's own idea of characters, as tables and RE2 expressions for a graph.

Every table is computed by asking Python about each code point, so that a graph agrees with the
Python that exported it, and not with the Unicode version of a regular expression library.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

import numpy as np

_SURROGATES = range(0xD800, 0xE000)  # no text that reaches ONNX Runtime can hold one
ALL_CHARACTERS = "".join(chr(code) for code in range(0x110000) if code not in _SURROGATES)

CASED = 1
IGNORABLE = 2


@cache
def members(expression: str, flags: int = re.NOFLAG) -> frozenset[str]:
    r"""List the characters that one item of a Python expression matches, such as `\w`."""
    return frozenset(re.findall(expression, ALL_CHARACTERS, flags))


@cache
def whitespace() -> tuple[str, ...]:
    """List the characters that str.split() splits on, in code point order."""
    return tuple(character for character in ALL_CHARACTERS if character.isspace())


def re2_class(characters: Iterable[str]) -> str:
    """Write a set of characters as an RE2 character class, with ranges of code points."""
    codes = np.sort(np.fromiter(map(ord, characters), dtype=np.int64))
    ranges = np.split(codes, np.flatnonzero(np.diff(codes) > 1) + 1)
    return "[" + "".join(_re2_range(int(one[0]), int(one[-1])) for one in ranges) + "]"


def _re2_range(low: int, high: int) -> str:
    return f"\\x{{{low:x}}}" if low == high else f"\\x{{{low:x}}}-\\x{{{high:x}}}"


@cache
def folding(lowercase: bool, strip_accents: str | None) -> dict[str, str]:
    """Tabulate what scikit-learn's preprocessing makes of single characters.

    Args:
        lowercase: apply str.lower(); the final sigma is not in the table, it needs context.
        strip_accents: None, "unicode" or "ascii", as in scikit-learn.

    Returns:
        Replacement by character, only for characters that change.
    """
    table = {}
    for character in ALL_CHARACTERS:
        folded = character.lower() if lowercase else character
        folded = _without_accents(folded, strip_accents)
        if folded != character:
            table[character] = folded
    return table


def _without_accents(text: str, strip_accents: str | None) -> str:
    if strip_accents is None or text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    if strip_accents == "ascii":
        return decomposed.encode("ascii", "ignore").decode("ascii")
    return "".join(one for one in decomposed if not unicodedata.combining(one))


@cache
def sigma_context() -> dict[str, int]:
    """Tabulate the characters that decide whether a sigma is final: CASED or IGNORABLE.

    A capital sigma becomes a final one when a cased character comes before it and none after
    it, ignorable characters being skipped on both sides. A character's kind shows in what
    str.lower() makes of a sigma behind it.
    """
    table = {}
    for character in ALL_CHARACTERS:
        if f"A{character}Σ".lower()[-1] != "ς":
            continue
        table[character] = CASED if f" {character}Σ".lower()[-1] == "ς" else IGNORABLE
    return table
