"""Undoes the Content-Encoding of a request body, never beyond a limit."""

import zlib

from modelserver.errors import TooLarge, Undecodable, UnsupportedEncoding

ENCODINGS = ("gzip", "deflate")

_MOST_MEMBERS = 64  # each copies what follows it, so that very many of them would take long

_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def inflate(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return the body as it was before its encoding.

    Args:
        body: as it came.
        encoding: the Content-Encoding header; empty and `identity` leave the body alone.
        most_bytes: the longest result.

    Raises:
        UnsupportedEncoding: another encoding, or several.
        Undecodable: the body is not of that encoding, or is cut short.
        TooLarge: the result would be longer; no more than that was inflated.
    """
    kind = encoding.strip().lower().removeprefix("x-")
    if kind in ("", "identity"):
        return body
    if kind not in ENCODINGS:
        raise UnsupportedEncoding(
            f"Content-Encoding: expected {' or '.join(ENCODINGS)}, got {encoding[:40]!r}", ENCODINGS
        )
    try:
        return _inflate(body, _format(body, kind), most_bytes)
    except zlib.error as error:
        raise Undecodable(f"body: not valid {kind}: {error}") from error


def _format(body: bytes, kind: str) -> int:
    """Which wrapping to expect; some clients send `deflate` without the one that HTTP asks for."""
    if kind == "gzip":
        return _GZIP
    head = int.from_bytes(body[:2])
    wrapped = head >> 8 & 0x0F == zlib.DEFLATED and head % 31 == 0
    return _ZLIB if wrapped else _RAW


def _inflate(body: bytes, wrapping: int, most_bytes: int) -> bytes:
    """Inflate every member of a body: gzip allows several, one after the other."""
    parts: list[bytes] = []
    room = most_bytes
    while body:
        if len(parts) == _MOST_MEMBERS or (parts and wrapping != _GZIP):
            raise Undecodable("body: there is more after the compressed data")
        member = zlib.decompressobj(wrapping)
        part = member.decompress(body, room + 1)
        if len(part) > room:
            raise TooLarge(f"body: expected at most {most_bytes} bytes after inflating")
        if not member.eof:
            raise Undecodable("body: the compressed data is cut short")
        parts.append(part)
        room -= len(part)
        body = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)
