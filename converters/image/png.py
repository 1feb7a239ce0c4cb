"""Writes a PNG file, so that no converter needs an image library."""

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS_RGB = bytes((8, 2, 0, 0, 0))


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode UINT8 [H, W, 3], red first; the same pixels give the same bytes."""
    height, width, _ = pixels.shape
    # Each row begins with its filter, here 0 for none.
    rows = np.concatenate(
        [np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1
    )
    header = struct.pack(">II", width, height) + _EIGHT_BITS_RGB
    data = zlib.compress(rows.tobytes(), 9)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
