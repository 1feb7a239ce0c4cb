"""Base64 as clients write it."""

import binascii

from modelserver.errors import Undecodable

_WHITE_SPACE = b" \t\r\n"
_STANDARD = bytes.maketrans(b"-_", b"+/")


def read_base64(text: str) -> bytes:
    """Decode base64, also as a data: URL, in the URL-safe alphabet, or broken into lines.

    Raises:
        Undecodable: it is not base64, or its padding is wrong.
    """
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise Undecodable("expected base64 after 'data:<type>;base64,', got another data: URL")
    try:
        return _decode(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Undecodable(f"not valid base64: {_reason(error)}") from error


def _decode(digits: bytes) -> bytes:
    """Decode as the standard says; only what is not written so is brought into that form."""
    try:
        return binascii.a2b_base64(digits, strict_mode=True)
    except binascii.Error:
        return binascii.a2b_base64(digits.translate(_STANDARD, _WHITE_SPACE), strict_mode=True)


def _reason(error: ValueError) -> str:
    """Say what is wrong without the text itself, which can be megabytes long."""
    if isinstance(error, UnicodeEncodeError):
        return f"character {error.start} is not ASCII"
    return str(error)
