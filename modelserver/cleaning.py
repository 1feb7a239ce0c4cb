"""Turns what people paste (plain text or Stack Exchange HTML) into the text a FAQ model reads.

Training and serving both call `clean_text`, so the two can never drift apart. The steps follow the
reference implementation's data preparation (code blocks out, link texts that are URLs out, tags
out, lower case) and mend what it left: entities are decoded, and "Possible Duplicate" banners are
removed, because they carry the title of the right answer.

Every step is one pass over the text: a hostile input costs time proportional to its length.
"""

import html
import re
from collections.abc import Iterator

CLEANING_VERSION = 1
"""Stored in the manifest; a server that cleans differently refuses the artefact."""

# Only tags that Stack Exchange renders count as markup, so `a < b` and `List<String>` survive.
_TAGS = (
    "a abbr b big blockquote br center cite code dd del dfn div dl dt em font h1 h2 h3 h4 h5 h6 hr "
    "i img ins kbd li ol p pre q s samp small span strike strong sub sup table tbody td tfoot th "
    "thead tr tt u ul var"
)
# An attribute needs its `=`: `if (a <b && c> d)` is code, `<a rel="x">` is a tag.
_TAG = re.compile(rf"<(/?)({'|'.join(_TAGS.split())})(?:\s+[a-z-]+=[^<>]*|\s*/?)>", re.IGNORECASE)
_INLINE = re.compile("a|abbr|b|big|cite|code|em|font|i|kbd|s|samp|small|span|strong|u|var")
_URL = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BANNER = re.compile(
    r"\s*(?:possible duplicates?:|this question already has (?:an )?answers? here)", re.IGNORECASE
)
# Python refuses to read numbers of thousands of digits; no character needs more than seven.
_LONG_NUMBER = re.compile(r"(?<=&#)[0-9]{8,}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


def clean_text(text: str) -> str:
    """Return the lower-case words of a question without markup, code blocks and banners.

    Args:
        text: plain text or HTML; entities are decoded once, after the tags are gone.

    Returns:
        One line: white space collapsed to single spaces, no control characters.
    """
    visible = "".join(_visible_text(text))
    bounded = _LONG_NUMBER.sub(lambda number: number[0].lstrip("0")[:8] or "0", visible)
    lowered = html.unescape(bounded).lower()
    return " ".join(_UNPRINTABLE.sub(" ", lowered).split())


def _visible_text(text: str) -> Iterator[str]:
    """Yield the pieces of text between tags, leaving out what a reader should not match on."""
    skipping = ""  # the element whose text is dropped until its end tag
    opened = ""  # the element whose first text decides whether it is dropped
    position = 0
    for tag in _TAG.finditer(text):
        piece = text[position : tag.start()]
        position = tag.end()
        closing, name = tag.group(1) == "/", tag.group(2).lower()
        if not skipping:
            if opened and piece.strip():
                skipping, opened = (opened if _is_noise(opened, piece) else ""), ""
            if not skipping:
                yield piece
        skipping, opened = _after_tag(closing, name, skipping, opened)
        if not _INLINE.fullmatch(name):
            yield " "
    if not skipping:
        yield text[position:]


def _after_tag(closing: bool, name: str, skipping: str, opened: str) -> tuple[str, str]:
    """The element that is being dropped and the one that waits for its first text."""
    if closing:
        return "" if name == skipping else skipping, "" if name == opened else opened
    if skipping:
        return skipping, opened
    if name == "pre":
        return "pre", opened
    return "", name if name in ("a", "blockquote") else opened


def _is_noise(element: str, first_text: str) -> bool:
    """Tell whether an element's first text makes the whole element worthless for matching."""
    return bool((_URL if element == "a" else _BANNER).match(first_text))
