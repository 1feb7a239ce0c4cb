"""What is read from image files before any pixel is decoded."""

import contextlib
import struct
import zlib

import pytest
from PIL import Image

from modelserver.errors import RequestError, TooLarge, Undecodable, UnsupportedMediaType
from modelserver.tasks.image_header import Header, read_header
from tests.modelserver.image_samples import FORMATS, picture, save


@pytest.mark.parametrize("name", FORMATS)
def test_format_and_size(name: str) -> None:
    """Format and size are those that Pillow reads."""
    header = read_header(FORMATS[name]())
    assert (header.width, header.height) == picture().size
    assert header.format == name.partition("-")[0].upper()


@pytest.mark.parametrize("size", [(1, 1), (1, 16383), (16383, 1), (300, 7), (257, 255)], ids=str)
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM"}),
    ],
    ids=["jpeg", "png", "gif", "bmp", "webp", "webp lossless", "webp extended"],
)
def test_every_size(file_format: str, options: dict[str, object], size: tuple[int, int]) -> None:
    """Sizes are right at the edges of what their fields hold."""
    header = read_header(save(Image.new("RGB", size), file_format, **options))
    assert (header.width, header.height) == size


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, width: int = 1, height: int = 1) -> bytes:
    """A PNG file of 8-bit grey with these chunks between IHDR and IEND."""
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunks) + chunk(b"IEND")


def segment(marker: int, data: bytes = b"") -> bytes:
    """A JPEG segment."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments: bytes, scans: int = 1, after: bytes = b"\xff\xd9") -> bytes:
    """The skeleton of a JPEG file of 3 x 5 pixels."""
    frame = segment(0xC0, b"\x08\x00\x05\x00\x03\x01\x01\x11\x00")
    scan = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\xff\x00\x34\xff\xd0\x56"
    return b"\xff\xd8" + b"".join(segments) + frame + scan * scans + after


def gif(blocks: bytes, width: int = 1, height: int = 1) -> bytes:
    """A GIF file with these blocks before its first frame, which is 1 x 1."""
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0;"
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0" + blocks + frame


BOMBS = {
    "PNG of 20,001 chunks": (png(chunk(b"tIME") * 20_001), "more than 20000 chunks"),
    "PNG of two colour profiles": (png(chunk(b"iCCP") * 2), "more than 1 colour profiles"),
    "JPEG of 33 scans": (jpeg(scans=33), "more than 32 scans"),
    "JPEG of 20,001 segments": (jpeg(segment(0xFE) * 20_001), "more than 20000 segments"),
    "JPEG padded with FF": (jpeg(b"\xff" * 70_000), "bytes outside its segments"),
    "JPEG padded with junk": (jpeg(segment(0xFE), b"\0" * 70_000), "bytes outside"),
    "GIF of tiny comments": (gif(b"!\xfe\x01x\0" * 20_001), "more than 20000 blocks"),
    "GIF of one comment in tiny pieces": (gif(b"!\xfe" + b"\x01x" * 20_001 + b"\0"), "blocks"),
    "GIF padded with zeros": (gif(b"\0" * 20_001), "more than 20000 blocks"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_structure_is_bounded(name: str) -> None:
    """A container with more parts than any photograph is refused before a decoder walks it."""
    content, message = BOMBS[name]
    with pytest.raises(TooLarge, match=message):
        read_header(content)


ODD = {
    "JPEG of 32 scans": (jpeg(scans=32), Header("JPEG", 3, 5, 13)),
    "JPEG of one scan": (jpeg(), Header("JPEG", 3, 5)),
    "JPEG followed by another": (jpeg(after=b"\xff\xd9" + jpeg(scans=50)), Header("JPEG", 3, 5)),
    "JPEG with a thumbnail": (jpeg(segment(0xE1, jpeg(scans=50))), Header("JPEG", 3, 5)),
    "JPEG with fill bytes": (jpeg(b"\xff" * 9), Header("JPEG", 3, 5)),
    "JPEG without an end": (jpeg(after=b""), Header("JPEG", 3, 5)),
    "GIF whose frame is larger than its screen": (gif(b"", 0, 0), Header("GIF", 1, 1)),
    "GIF with zeros between blocks": (gif(b"\0\0", 2, 2), Header("GIF", 2, 2)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_valid(name: str) -> None:
    """What real encoders and phones write is read as decoders read it."""
    content, header = ODD[name]
    assert read_header(content) == header


def bmp(header_bytes: int, width: int, height: int, compression: int = 0) -> bytes:
    """The first bytes of a BMP file."""
    return (
        b"BM"
        + bytes(12)
        + struct.pack("<IiiHHI", header_bytes, width, height, 1, 24, compression)
        + bytes(20)
    )


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (bmp(40, 30, 20), (30, 20)),
        (bmp(40, 30, -20), (30, 20)),
        (bmp(124, 30, 20), (30, 20)),
        (b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 30, 20, 1, 24), (30, 20)),
    ],
    ids=["usual", "from top to bottom", "newest header", "oldest header"],
)
def test_bmp_headers(content: bytes, size: tuple[int, int]) -> None:
    """Every BMP header that is in use is understood."""
    header = read_header(content)
    assert (header.width, header.height) == size


OTHERS = {
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "SVG with a declaration": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg/>', "an SVG drawing"),
    "HTML": (b"<!DOCTYPE html><html>", "an HTML page"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC image"),
    "AVIF": (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image"),
    "TIFF": (save(picture(), "TIFF"), "a TIFF image"),
    "JPEG 2000": (save(picture(), "JPEG2000"), "a JPEG 2000 image"),
    "ICO": (save(picture(), "ICO"), "an icon"),
    "PDF": (b"%PDF-1.7\n", "a PDF document"),
    "BMP, run-length encoded": (bmp(40, 3, 3, 1), "a run-length encoded one"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_formats_are_named(name: str) -> None:
    """A format that is not taken is refused by its name, so that the sender knows what to do."""
    content, message = OTHERS[name]
    with pytest.raises(UnsupportedMediaType, match=message):
        read_header(content)


BROKEN = {
    "nothing": b"",
    "text": b"hello, world",
    "JSON": b'{"b64": ""}',
    "zip": b"PK\x03\x04" + bytes(40),
    "PNG without IHDR": b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT"),
    "PNG of 0 x 0": png(width=0, height=0),
    "JPEG of 0 x 0": jpeg().replace(b"\x00\x05\x00\x03", bytes(4)),
    "JPEG without pixels": b"\xff\xd8\xff\xd9",
    "JPEG marker alone": b"\xff\xd8\xff",
    "GIF of 0 x 0": gif(b"")
    .replace(struct.pack("<HHHH", 0, 0, 1, 1), bytes(8))
    .replace(b"\x01\x00\x01\x00", bytes(4)),
    "GIF without a frame": b"GIF89a" + bytes(7) + b";",
    "BMP of 0 x 0": bmp(40, 0, 0),
    "BMP with an unknown header": bmp(41, 3, 3),
    "RIFF that is a sound": b"RIFF\x24\0\0\0WAVEfmt ",
    "WebP of an unknown kind": b"RIFF\x24\0\0\0WEBPVP9 " + bytes(30),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_containers(name: str) -> None:
    """What is no image, or has no pixels, is undecodable."""
    with pytest.raises(Undecodable):
        read_header(BROKEN[name])


@pytest.mark.parametrize("name", FORMATS)
def test_every_prefix(name: str) -> None:
    """A file that is cut off anywhere gives a header or an error of the caller's."""
    content = FORMATS[name]()
    for end in range(min(len(content), 1500)):
        with contextlib.suppress(RequestError):
            read_header(content[:end])
