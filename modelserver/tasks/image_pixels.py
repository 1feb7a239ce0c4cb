"""From the bytes of an image file to the pixels a model takes; the only module that knows Pillow.

Nothing of Pillow's global state is touched: formats are restricted and sizes are checked call by
call, before Pillow sees the file.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, WebPImagePlugin

from modelserver.errors import TooLarge, Undecodable
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks.image_header import CUT_SHORT, Header, read_header
from modelserver.tasks.image_resize import Resize

# Pillow registers WebP only with all its fifty formats, at the first WebP image; this is enough.
_READS_WEBP = WebPImagePlugin.SUPPORTED

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_RESIZE_BYTES = 8  # for each pixel of the resized image: it, and what is resized one way so far


def read_pixels(content: bytes, rule: Resize, budget: MemoryBudget) -> np.ndarray:
    """Decode an image file, turn it upright, make it RGB and bring it to the model's size.

    Args:
        content: the file.
        rule: how to resize.
        budget: memory that all decoding shares; this call waits for its part of it.

    Returns:
        UINT8 [H, W, 3], rows from top to bottom, red first.

    Raises:
        Undecodable, UnsupportedMediaType: it is no image that can be read.
        TooLarge: it needs more memory than the budget has.
    """
    header = read_header(content)
    with budget.hold(_memory(header, rule, budget.most_bytes)), _translated():
        with Image.open(io.BytesIO(content), formats=(header.format,)) as image:
            if image.size != (header.width, header.height):
                raise Undecodable("the image is damaged: it states two sizes")
            image.load()
            pixels = _to_rgb(_turn_upright(image), rule.background)
        return np.asarray(_resize(pixels, rule))


def _memory(header: Header, rule: Resize, most_bytes: int) -> int:
    """The bytes needed at the peak; TooLarge when there can never be so many."""
    width, height = header.width, header.height
    if header.decode_bytes > most_bytes:
        most = most_bytes / header.bytes_per_pixel / 1e6
        raise TooLarge(
            f"the image has {width} x {height} pixels; this server decodes {header.format} images "
            f"like this one of up to {most:.1f} megapixels"
        )
    whole_width, whole_height = rule.whole_size(width, height)
    resize_bytes = whole_width * whole_height * _RESIZE_BYTES
    if resize_bytes > most_bytes:
        raise TooLarge(
            f"the image has {width} x {height} pixels: too narrow to be resized to "
            f"{whole_width} x {whole_height}"
        )
    return max(header.decode_bytes, resize_bytes)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn whatever Pillow raises on a bad file into our own words.

    Its own texts are left out: they speak of internals, even of memory addresses.
    """
    try:
        yield
    except (TooLarge, Undecodable):
        raise
    except MemoryError as error:
        raise TooLarge("the image needs more memory than there is") from error
    # Pillow raises a dozen types on bad files: OSError, SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        cut = "truncat" in str(error).lower()
        raise Undecodable(CUT_SHORT if cut else "the image is damaged") from error


def _turn_upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, as every viewer does; broken EXIF data counts as none."""
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image, background: tuple[int, int, int] | None) -> Image.Image:
    """Make an image of any mode RGB; transparency is ignored unless there is a background."""
    if image.mode.startswith("I"):  # 16 bits of grey
        # Pillow's own conversion would cut everything over 255 off.
        levels = np.asarray(image) >> 8
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if background is not None and image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, background)
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    image.info.pop("transparency", None)  # Pillow would warn, or shift a colour to make room
    return image if image.mode == "RGB" else image.convert("RGB")


def _resize(image: Image.Image, rule: Resize) -> Image.Image:
    size, resample = (rule.width, rule.height), _FILTERS[rule.filter]
    if rule.mode == "fit":
        return ImageOps.fit(image, size, resample)
    resized = image.resize(rule.whole_size(*image.size), resample)
    return resized.crop(rule.crop_box(*resized.size)) if resized.size != size else resized
