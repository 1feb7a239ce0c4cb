"""Base64 as clients write it."""

import base64

import pytest

from modelserver.errors import Undecodable
from modelserver.tasks.base64_text import read_base64

CONTENT = bytes(range(256))
TEXT = base64.b64encode(CONTENT).decode()

TAKEN = {
    "standard": TEXT,
    "URL-safe": base64.urlsafe_b64encode(CONTENT).decode(),
    "in lines": base64.encodebytes(CONTENT).decode(),
    "in Windows lines": base64.encodebytes(CONTENT).decode().replace("\n", "\r\n"),
    "with blanks around": f"  {TEXT}\n",
    "data URL": f"data:image/png;base64,{TEXT}",
    "data URL with parameters": f"DATA:image/svg+xml;charset=utf-8;BASE64,{TEXT}",
    "data URL without a type": f"data:;base64,{TEXT}",
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    """Every usual way to write base64 is read."""
    assert read_base64(TAKEN[name]) == CONTENT


def test_empty() -> None:
    """No digits are no bytes."""
    assert read_base64("") == b""


REFUSED = {
    "not base64": ("hello, world", "Only base64 data"),
    "no padding": ("YQ", "Incorrect padding"),
    "padding in the middle": ("YQ==YQ==", "Excess data"),
    "quoted": ('"YWJj"', "Only base64"),
    "not ASCII": ("YWJé", "character 3 is not ASCII"),
    "another data URL": ("data:text/plain,YWJj", "expected base64 after 'data:"),
    "data URL without data": ("data:image/png;base64", "expected base64 after"),
    "a path": ("/etc/passwd.png", "Only base64"),
    "a URL": ("https://example.com/cat.jpg", "Only base64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What is not base64 is refused with a reason that does not repeat it."""
    text, message = REFUSED[name]
    with pytest.raises(Undecodable, match=message):
        read_base64(text)
