"""JSON in and out of the server; the only module that knows orjson."""

from typing import Any

import orjson

from modelserver.errors import Undecodable


def decode_json(text: bytes | str | memoryview, where: str = "body") -> Any:
    """Decode JSON strictly: RFC 8259, UTF-8, no NaN, no lone surrogates, at most 1024 levels.

    A whole number beyond 64 bits becomes a float.

    Args:
        text: the JSON.
        where: what holds it, for the error.

    Raises:
        Undecodable: the text is not such JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"{where}: not valid JSON: {error}") from error


def encode_json(value: Any) -> bytes:
    """Encode a value as JSON in UTF-8; a contiguous numpy array becomes a list.

    NaN and infinity in arrays become null, so whoever passes arrays looks first.

    Raises:
        TypeError: the value holds something that JSON has no form for.
    """
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def show(value: object, most_characters: int = 40) -> str:
    """Describe a value of a request in an error: its JSON type and, when short, itself."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "null"
    kind = {str: "a text", bool: "a boolean"}.get(type(value), "a number")
    text = repr(value)
    return kind if len(text) > most_characters else f"{kind} ({text})"


def quote(text: str, most_characters: int = 60) -> str:
    """Quote a text of a request in an error; a long one is cut."""
    return repr(text if len(text) <= most_characters else text[:most_characters] + "…")
