"""Image files that no camera writes: bombs, fakes and files with far too much of something."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, PngImagePlugin

from tests.modelserver.image_samples import FORMATS, oriented, picture, save
from tests.modelserver.tasks.test_image_header import BOMBS, BROKEN, OTHERS, chunk, png, segment

HUGE = 30_000  # pixels a side: 900 megapixels


def _png_of(width: int, height: int, bit_depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that really holds its black pixels, compressed a thousandfold."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + (width * channels * bit_depth + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bit_depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND")


def _resized_header(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) >= 1
    return content.replace(old, new, 1)


def _jpeg_saying(width: int, height: int) -> bytes:
    size = picture().size
    return _resized_header(
        FORMATS["jpeg"](), struct.pack(">HH", size[1], size[0]), struct.pack(">HH", height, width)
    )


def _gif_saying(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + FORMATS["gif"]()[10:]


def _bmp_saying(width: int, height: int) -> bytes:
    content = FORMATS["bmp"]()
    return content[:18] + struct.pack("<ii", width, height) + content[26:]


def _webp_saying(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    content = save(picture(), "WEBP", exif=b"Exif\0\0MM")
    assert content[12:16] == b"VP8X"
    return content[:24] + sizes + content[30:]


def _scans(count: int) -> bytes:
    """A valid progressive JPEG whose last scan comes again and again."""
    content = FORMATS["jpeg-progressive"]()
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * count + content[-2:]


def _text_bomb(kind: bytes) -> bytes:
    """A PNG with a compressed text of 100 MB."""
    packed = zlib.compress(bytes(100_000_000), 9)
    head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\x01\0\0\0", b"iCCP": b"k\0\0"}[kind]
    content = FORMATS["png"]()
    return content[:33] + chunk(kind, head + packed) + content[33:]


def _many_texts() -> bytes:
    """A PNG with texts that are small each and large together."""
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000), 9))
    content = FORMATS["png"]()
    return content[:33] + text * 500 + content[33:]


def _animation(file_format: str, frames: int) -> bytes:
    images = [picture(64, 64).rotate(turn % 360) for turn in range(1, frames)]
    stream = io.BytesIO()
    picture(64, 64).save(stream, file_format, save_all=True, append_images=images, duration=10)
    return stream.getvalue()


def _huge_exif(file_format: str) -> bytes:
    """EXIF data of the largest size: one long text."""
    exif = Image.Exif()
    exif[0x010E] = "x" * 65_000
    return save(picture(), file_format, exif=exif)


def _exif_of_many_segments() -> bytes:
    """A JPEG whose EXIF data goes on through a hundred segments."""
    content = FORMATS["jpeg"]()
    exif = segment(0xE1, b"Exif\0\0" + b"MM\0*\0\0\0\x08\xff\xff" + bytes(65_000))
    return content[:2] + exif * 100 + content[2:]


def _profile(file_format: str) -> bytes:
    """A colour profile that is none, of 60 kB."""
    noise = np.random.default_rng(1).bytes(60_000)
    return save(picture(), file_format, icc_profile=noise)


def _apng_saying_many() -> bytes:
    content = FORMATS["png"]()
    return content[:33] + chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)) + content[33:]


def _text_chunk_of_exif() -> bytes:
    """ImageMagick's way to store EXIF data, with nonsense in it."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n  9999999\nzz zz\n", zip=True)
    return save(picture(), "PNG", pnginfo=info)


OK, BAD, LARGE, TYPE = (200,), (400,), (413,), (415,)

HOSTILE: dict[str, tuple[Callable[[], bytes], tuple[int, ...]]] = {
    # More pixels than memory, said or really there
    "png of 900 MP": (lambda: _png_of(HUGE, HUGE, 1, 0), LARGE),
    "png saying 2^31 x 2^31": (lambda: png(width=2**31 - 1, height=2**31 - 1), LARGE),
    "png saying 2^32 x 1": (lambda: png(width=2**32 - 1), LARGE),
    "jpeg saying 65500 x 65500": (lambda: _jpeg_saying(65_500, 65_500), LARGE),
    "gif saying 65535 x 65535": (lambda: _gif_saying(65_535, 65_535), LARGE),
    "bmp saying 2^31 x 2^31": (lambda: _bmp_saying(2**31 - 1, 2**31 - 1), LARGE),
    "bmp saying 30000 rows upwards": (lambda: _bmp_saying(HUGE, -HUGE), LARGE),
    "webp saying 2^24 x 2^24": (lambda: _webp_saying(2**24, 2**24), LARGE),
    # As many pixels as are allowed, in very few bytes
    "png of 25 MP": (lambda: _png_of(5000, 5000), OK),
    "png of 25 MP with alpha": (lambda: _png_of(5000, 5000, 8, 6), OK),
    "png of 25 MP of 16-bit grey": (lambda: _png_of(5000, 5000, 16, 0), OK),
    "jpeg of 25 MP": (lambda: save(Image.new("RGB", (5000, 5000)), "JPEG"), OK),
    "jpeg of 25 MP, turned": (
        lambda: save(Image.new("RGB", (5000, 5000)), "JPEG", exif=b"Exif\0\0" + _turned()),
        OK,
    ),
    "jpeg of 25 MP in four colours": (lambda: save(Image.new("CMYK", (5000, 5000)), "JPEG"), OK),
    "jpeg of 19 MP, progressive": (
        lambda: save(Image.new("CMYK", (4400, 4400)), "JPEG", progressive=True),
        OK,
    ),
    "jpeg of 25 MP, progressive": (
        lambda: save(Image.new("RGB", (5000, 5000)), "JPEG", progressive=True),
        LARGE,
    ),
    "webp of 14 MP": (lambda: save(Image.new("RGB", (3800, 3800)), "WEBP", method=0), OK),
    "webp of 25 MP": (lambda: save(Image.new("RGB", (5000, 5000)), "WEBP", method=0), LARGE),
    "gif of 25 MP": (lambda: save(Image.new("P", (5000, 5000)), "GIF"), OK),
    "bmp of 25 MP": (lambda: save(Image.new("1", (5000, 5000)), "BMP"), OK),
    # Odd shapes
    "png of 1 x 65500": (lambda: _png_of(1, 65_500), OK),
    "png of 65500 x 1": (lambda: _png_of(65_500, 1), OK),
    "jpeg of 1 x 65500": (lambda: save(Image.new("RGB", (1, 65_500)), "JPEG"), OK),
    "jpeg of 65500 x 1": (lambda: save(Image.new("RGB", (65_500, 1)), "JPEG"), OK),
    "gif of 65535 x 1": (lambda: save(Image.new("P", (65_535, 1)), "GIF"), OK),
    "bmp of 1 x 65500": (lambda: save(Image.new("RGB", (1, 65_500)), "BMP"), OK),
    "webp of 16383 x 1": (lambda: save(Image.new("RGB", (16_383, 1)), "WEBP"), OK),
    "png of 1 x 1": (lambda: _png_of(1, 1), OK),
    # Much work for few bytes
    "jpeg of 20 scans": (lambda: _scans(10), OK),
    "jpeg of 5000 scans": (lambda: _scans(5000), LARGE),
    "png with 100 MB of text": (lambda: _text_bomb(b"zTXt"), BAD),
    "png with 100 MB of international text": (lambda: _text_bomb(b"iTXt"), BAD),
    "png with a 100 MB profile": (lambda: _text_bomb(b"iCCP"), BAD),
    "png with 500 texts of 1 MB": (_many_texts, BAD),
    "png of 700,000 chunks": (lambda: png(chunk(b"tIME") * 700_000), LARGE),
    "jpeg with 9 MB of junk": (
        lambda: b"\xff\xd8" + segment(0xFE) + bytes(9_000_000) + FORMATS["jpeg"]()[2:],
        LARGE,
    ),
    "jpeg of 2 million segments": (
        lambda: b"\xff\xd8" + segment(0xFE) * 2_000_000 + FORMATS["jpeg"]()[2:],
        LARGE,
    ),
    # Much metadata, which does not matter
    "jpeg with 65 kB of EXIF": (lambda: _huge_exif("JPEG"), OK),
    "png with 65 kB of EXIF": (lambda: _huge_exif("PNG"), OK),
    "webp with 65 kB of EXIF": (lambda: _huge_exif("WEBP"), OK),
    "jpeg with 6 MB of EXIF": (_exif_of_many_segments, OK),
    "png with EXIF in a text": (_text_chunk_of_exif, OK),
    "jpeg with a nonsense profile": (lambda: _profile("JPEG"), OK),
    "png with a nonsense profile": (lambda: _profile("PNG"), OK),
    "webp with a nonsense profile": (lambda: _profile("WEBP"), OK),
    # Many frames, of which the first counts
    "gif of 60 frames": (lambda: _animation("GIF", 60), OK),
    "webp of 60 frames": (lambda: _animation("WEBP", 60), OK),
    "png of 60 frames": (lambda: _animation("PNG", 60), OK),
    "png saying 2^31 frames": (_apng_saying_many, OK),
    "multi-picture jpeg": (lambda: _animation("MPO", 5), OK),
    # Another thing than it says
    "webp cut to 20 bytes": (lambda: FORMATS["webp"]()[:20], BAD),
    "png that goes on": (lambda: FORMATS["png"]() + bytes(1_000_000), OK),
    "jpeg and zip in one": (lambda: FORMATS["jpeg"]() + b"PK\x03\x04" + bytes(1000), OK),
    "turned gif": (lambda: oriented(6, "PNG"), OK),
    **{f"structure: {name}": ((lambda c=c: c), LARGE) for name, (c, _) in BOMBS.items()},
    **{f"other: {name}": ((lambda c=c: c), TYPE) for name, (c, _) in OTHERS.items()},
    **{f"broken: {name}": ((lambda c=c: c), BAD) for name, c in BROKEN.items()},
}
"""Name to what makes the file, and the statuses that may answer it at the default settings."""


def _turned() -> bytes:
    """EXIF data that says: turn by 90 degrees."""
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
