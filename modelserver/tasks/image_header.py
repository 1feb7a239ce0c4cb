"""What an image file says about itself before any pixel is decoded: format, size, structure.

Reads containers only, in plain Python, so that neither an image library nor the memory is exposed
to a file that is too large, or built to keep a decoder busy: a JPEG of a thousand scans, a PNG of
a million chunks, a comment in a hundred thousand pieces.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from modelserver.errors import TooLarge, Undecodable, UnsupportedMediaType

FORMATS = "a JPEG, PNG, WebP, BMP or GIF image"
CUT_SHORT = "the image is cut short"

# Far beyond what photographs have. Each costs the decoder time that the file's size does not show.
_MOST_SCANS = 32
_MOST_PARTS = 20_000
_MOST_JUNK_BYTES = 65_536

# Bytes for each pixel at the peak of decoding, turning upright and making it RGB, as measured
# with Pillow 13. A JPEG of several scans keeps its coefficients beside the pixels, a WebP two
# more canvases.
_BYTES, _BYTES_MULTISCAN, _BYTES_WEBP = 10, 13, 17


@dataclass(frozen=True, slots=True)
class Header:
    """A format (JPEG, PNG, WEBP, BMP or GIF), the size in pixels as stored, and what it costs."""

    format: str
    width: int
    height: int
    bytes_per_pixel: int = _BYTES

    @property
    def decode_bytes(self) -> int:
        """Memory that decoding takes at its peak."""
        return self.width * self.height * self.bytes_per_pixel


def read_header(content: bytes) -> Header:
    """Recognise an image by its content and read its size.

    Raises:
        UnsupportedMediaType: it is an image or document of a format that is not taken.
        Undecodable: it is no image, or its container is broken.
        TooLarge: its container has more parts than any photograph.
    """
    readers = [read for magic, read in _READERS if content.startswith(magic)]
    if not readers:
        raise _unknown(content)
    try:
        header = readers[0](content)
    except IndexError:
        raise Undecodable(CUT_SHORT) from None
    if not header.width or not header.height:
        raise Undecodable(f"the image is {header.width} x {header.height}: it has no pixels")
    return header


def _unknown(content: bytes) -> UnsupportedMediaType | Undecodable:
    for pattern, name in _OTHERS:
        if pattern.match(content[:1024]):
            return UnsupportedMediaType(f"expected {FORMATS}, got {name}")
    return Undecodable(f"expected {FORMATS}; these bytes are none of them")


def _jpeg(content: bytes) -> Header:
    """Walk the segments up to the first scan, then count the scans."""
    height = width = 0
    at, junk = 2, 0
    for _ in range(_MOST_PARTS):
        start = content.find(b"\xff", at)
        if start < 0:
            raise Undecodable(CUT_SHORT)
        code = start + 1
        while content[code] == 0xFF and junk <= _MOST_JUNK_BYTES:
            code += 1
            junk += 1
        junk += start - at
        _check(junk, _MOST_JUNK_BYTES, "bytes outside its segments")
        marker, at = content[code], code + 1
        if marker in _JPEG_BARE:
            continue
        if marker in _JPEG_FRAMES:
            height, width = _big(content, at + 3, 2), _big(content, at + 5, 2)
        at += max(2, _big(content, at, 2))
        if marker == _JPEG_SCAN:
            scans = _count_scans(content, at)
            _check(scans, _MOST_SCANS, "scans")
            return Header("JPEG", width, height, _BYTES if scans == 1 else _BYTES_MULTISCAN)
    raise TooLarge(f"the image file has more than {_MOST_PARTS} segments")


def _count_scans(content: bytes, at: int) -> int:
    """Count scans from the data of the first one to the end of the image.

    What follows the end (a film, a depth map, another photo) may hold whole images of its own.
    """
    scans = 1
    if content.find(b"\xff\xda", at) < 0:
        return scans
    while scans <= _MOST_SCANS:
        found = _JPEG_MARKER.search(content, at)
        if found is None or found[0] == b"\xff\xd9":
            break
        scans += found[0] == b"\xff\xda"
        at = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return scans


def _png(content: bytes) -> Header:
    """Read IHDR, count the chunks, and check those with pixels, which the decoder does not."""
    if content[12:16] != b"IHDR":
        raise Undecodable("the image is damaged: a PNG begins with IHDR")
    view = memoryview(content)
    at, parts, profiles = 8, 0, 0
    while at + 8 <= len(content):
        kind = content[at + 4 : at + 8]
        if kind == b"IEND":
            break
        parts += 1
        _check(parts, _MOST_PARTS, "chunks")
        # Each may inflate to a megabyte; the decoder bounds the sum for texts only.
        profiles += kind == b"iCCP"
        _check(profiles, 1, "colour profiles")
        end = at + 8 + _big(content, at, 4)
        if kind == b"IDAT" and zlib.crc32(view[at + 4 : end]) != _big(content, end, 4):
            raise Undecodable("the image is damaged: a checksum is wrong")
        at = end + 4
    return Header("PNG", _big(content, 16, 4), _big(content, 20, 4))


def _gif(content: bytes) -> Header:
    """Walk the blocks up to the first frame, which may be larger than the screen it lies on."""
    width, height = _little(content, 6, 2), _little(content, 8, 2)
    flags = content[10]
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    parts = 0
    while content[at] != _GIF_FRAME:
        if content[at] == _GIF_END:
            raise Undecodable("the image is damaged: it ends before its first frame")
        if content[at] == _GIF_EXTENSION:
            at += 2
            while content[at] and parts <= _MOST_PARTS:
                at += 1 + content[at]
                parts += 1
        at += 1
        parts += 1
        _check(parts, _MOST_PARTS, "blocks")
    width = max(width, _little(content, at + 1, 2) + _little(content, at + 5, 2))
    height = max(height, _little(content, at + 3, 2) + _little(content, at + 7, 2))
    return Header("GIF", width, height)


def _bmp(content: bytes) -> Header:
    """Read the size; a height is negative when the rows run from top to bottom."""
    header_bytes = _little(content, 14, 4)
    if header_bytes == _BMP_CORE:
        return Header("BMP", _little(content, 18, 2), _little(content, 20, 2))
    if header_bytes not in _BMP_INFO:
        raise Undecodable("the image is damaged: no BMP has such a header")
    if _little(content, 30, 4) in _BMP_RUN_LENGTH:
        raise UnsupportedMediaType("expected an uncompressed BMP, got a run-length encoded one")
    height = int.from_bytes(content[22:26], "little", signed=True)
    return Header("BMP", _little(content, 18, 4), abs(height))


def _webp(content: bytes) -> Header:
    """Read the size from whichever of the three kinds of first chunk there is."""
    if content[8:12] != b"WEBP":
        raise _unknown(content)
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = _little(content, 24, 3) + 1, _little(content, 27, 3) + 1
    elif kind == b"VP8L":
        bits = _little(content, 21, 4)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = _little(content, 26, 2) & 0x3FFF, _little(content, 28, 2) & 0x3FFF
    elif len(kind) < 4:
        raise Undecodable(CUT_SHORT)
    else:
        raise Undecodable("the image is damaged: a WebP begins with VP8, VP8L or VP8X")
    return Header("WEBP", width, height, _BYTES_WEBP)


def _big(content: bytes, at: int, count: int) -> int:
    """A number of `count` bytes, most significant first; IndexError past the end."""
    return _number(content[at : at + count], count, "big")


def _little(content: bytes, at: int, count: int) -> int:
    """A number of `count` bytes, least significant first; IndexError past the end."""
    return _number(content[at : at + count], count, "little")


def _number(digits: bytes, count: int, order: Literal["big", "little"]) -> int:
    if len(digits) < count:
        raise IndexError
    return int.from_bytes(digits, order)


def _check(count: int, most: int, what: str) -> None:
    if count > most:
        raise TooLarge(f"the image file has more than {most} {what}")


_READERS: tuple[tuple[bytes, Callable[[bytes], Header]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"BM", _bmp),
)

_OTHERS = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), name)
    for pattern, name in (
        (rb"\s*<svg|\s*<(\?xml|!doctype svg|!--).*<svg", "an SVG drawing"),
        (rb"\s*<(!doctype html|html|head|body)", "an HTML page"),
        (rb"....ftyp(hei|hev|mif1|msf1)", "a HEIC image"),
        (rb"....ftypavi", "an AVIF image"),
        (rb"II\*\x00|MM\x00\*", "a TIFF image"),
        (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image"),
        (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "a JPEG XL image"),
        (rb"\x00\x00\x01\x00", "an icon"),
        (rb"%PDF-", "a PDF document"),
    )
)

_JPEG_SCAN = 0xDA
_JPEG_BARE = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))  # markers without a length
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_GIF_FRAME, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_BMP_CORE, _BMP_INFO = 12, frozenset((40, 52, 56, 64, 108, 124))
_BMP_RUN_LENGTH = (1, 2)
