"""Reads multipart/form-data bodies; the only module that knows the parser.

Every number that a sender controls has a bound: parts, the bytes of their headers, the boundary.
"""

from dataclasses import dataclass

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Field,
    File,
    MultipartDecoder,
    NeedData,
    State,
)

from modelserver.errors import TooLarge, Undecodable

MULTIPART = "multipart/form-data"

_MOST_BOUNDARY_CHARACTERS = 200  # RFC 2046 says 70; Werkzeug's own client writes up to 72
_MOST_HEADER_BYTES = 8192
_MOST_FIELDS = 16
_FEED_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its field name, content type and body.

    Args:
        is_file: it has a file name, or a content type other than text/plain; the rest are the
            plain fields of a form.
    """

    name: str
    content_type: str
    is_file: bool
    body: bytes


def read_parts(content_type: str, body: bytes, max_files: int) -> list[Part]:
    """Split a body into its parts, in order.

    Args:
        content_type: of the request, with the boundary.
        body: the request body.
        max_files: most files; a few small fields may come beside them.

    Raises:
        Undecodable: the body is not well-formed, or there is no usable boundary.
        TooLarge: there are too many parts, or the headers of one are too long.
    """
    decoder = MultipartDecoder(_boundary(content_type), max_parts=max_files + _MOST_FIELDS)
    try:
        parts = _decode(decoder, body)
    except RequestEntityTooLarge as error:
        raise TooLarge(f"multipart: expected at most {max_files} files") from error
    # A header that is not UTF-8, a part without a disposition, a body that just ends.
    except ValueError as error:
        raise Undecodable("multipart: the body is not well-formed or is cut short") from error
    if sum(part.is_file for part in parts) > max_files:
        raise TooLarge(f"multipart: expected at most {max_files} files")
    return parts


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 0 < len(boundary) <= _MOST_BOUNDARY_CHARACTERS or not boundary.isascii():
        raise Undecodable(
            f"Content-Type: expected {MULTIPART}; boundary=… of 1 to "
            f"{_MOST_BOUNDARY_CHARACTERS} characters"
        )
    return boundary.encode()


def _decode(decoder: MultipartDecoder, body: bytes) -> list[Part]:
    """Feed the body piece by piece, so that endless headers are noticed early."""
    parts: list[Part] = []
    head: Field | File | None = None
    pieces: list[bytes] = []
    position = 0
    while True:
        event = decoder.next_event()
        if isinstance(event, NeedData):
            if decoder.state is State.PART and len(decoder.buffer) > _MOST_HEADER_BYTES:
                raise TooLarge(f"multipart: a part has over {_MOST_HEADER_BYTES} bytes of headers")
            piece = body[position : position + _FEED_BYTES]
            decoder.receive_data(piece or None)
            position += len(piece)
        elif isinstance(event, (Field, File)):
            head, pieces = event, []
        elif isinstance(event, Data):
            pieces.append(event.data)
            if not event.more_data and head is not None:
                parts.append(_part(head, b"".join(pieces)))
        elif isinstance(event, Epilogue):
            return parts


def _part(head: Field | File, body: bytes) -> Part:
    given = head.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_file = isinstance(head, File) or given not in ("", "text/plain")
    return Part(head.name or "", given or "application/octet-stream", is_file, body)
