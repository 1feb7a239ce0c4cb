"""JSON at the door: strict in, plain out, and values described without repeating them."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.errors import Undecodable
from modelserver.jsontext import decode_json, encode_json, show

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab", max_size=2), inner),
)


@given(JSON_VALUES)
def test_values_survive(value: Any) -> None:
    """What is encoded can be decoded to the same value, here and by any other reader."""
    encoded = encode_json(value)
    assert decode_json(encoded) == value
    assert json.loads(encoded) == value


UNDECODABLE = [
    *[b"", b" ", b"nul", b"[1,]", b"{1:2}", b"'a'", b"1 2"],
    *[b"NaN", b"Infinity", b"1e999", b'"\\ud800"'],
    *[b"\xff", b'"\xc3\x28"', b"\xef\xbb\xbf1", "1".encode("utf-16")],
    b"[" * 1025 + b"]" * 1025,
]


@pytest.mark.parametrize("text", UNDECODABLE, ids=lambda text: repr(text[:12]))
def test_undecodable(text: bytes) -> None:
    """What is not JSON by the book is refused, and the error names the place."""
    with pytest.raises(Undecodable, match=r"^here: not valid JSON: "):
        decode_json(text, "here")


@given(st.binary(max_size=50))
def test_any_bytes(text: bytes) -> None:
    """No bytes can raise anything but our own error."""
    with contextlib.suppress(Undecodable):
        decode_json(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "a boolean (True)"),
        (0, "a number (0)"),
        (-1.5, "a number (-1.5)"),
        ("no", "a text ('no')"),
        ("n" * 38, f"a text ('{'n' * 38}')"),
        ("n" * 39, "a text"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
    ],
)
def test_show(value: object, text: str) -> None:
    """A value is shown by type, and itself when it is short."""
    assert show(value) == text


def test_show_deep_list() -> None:
    """A list may be nested deeper than Python can print."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert show(deep) == "a list"
    while deep:  # freed step by step: Python's own way back is deep, too
        deep = deep.pop()
