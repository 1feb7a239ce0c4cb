"""JSON in and out of the server; the only module that knows orjson."""

from typing import Any

import orjson

from modelserver.errors import Undecodable


def decode_json(body: bytes) -> Any:
    """Decode a request body.

    Raises:
        Undecodable: the body is not JSON (RFC 8259, UTF-8, at most 1024 levels deep).
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"body: not valid JSON: {error}") from error


def encode_json(value: Any) -> bytes:
    """Encode a value as JSON in UTF-8.

    Raises:
        TypeError: the value holds something that JSON has no form for.
    """
    return orjson.dumps(value)


def show(value: object, most_characters: int = 40) -> str:
    """Describe a value of a request in an error: its JSON type and, when short, itself."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a boolean"}
    kind = kinds.get(type(value), "null" if value is None else "a number")
    text = repr(value)
    if isinstance(value, (dict, list)) or value is None or len(text) > most_characters:
        return kind
    return f"{kind} ({text})"
