"""From files to pixels: every format, mode and orientation, and the sizes models want."""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from modelserver.errors import RequestError, TooLarge, Undecodable
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks.image_pixels import read_pixels
from modelserver.tasks.image_resize import FILTERS, Resize
from tests.modelserver.image_samples import FORMATS, oriented, picture, save

# Pillow warns of what it finds odd; the server ignores that (logs.py), tests turn it into errors.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\..*")

WIDTH, HEIGHT = 96, 64  # of the picture: nothing is resized
AS_IS = Resize(WIDTH, HEIGHT, "squash", "nearest")


def read(content: bytes, rule: Resize = AS_IS, memory: int = 10**8) -> np.ndarray:
    return read_pixels(content, rule, MemoryBudget(memory))


def worst(got: np.ndarray, want: np.ndarray) -> int:
    return int(np.abs(got.astype(int) - want.astype(int)).max())


def average(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got.astype(int) - want.astype(int)).mean())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_picture(name: str) -> None:
    """The same picture comes out of every format, as far as the format keeps it."""
    pixels = read(FORMATS[name]())
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert average(pixels, np.asarray(picture())) < 6


@pytest.mark.parametrize("name", ["png", "png-alpha", "webp-lossless", "bmp"])
def test_lossless_formats_are_exact(name: str) -> None:
    """What was stored without loss comes out without loss."""
    assert worst(read(FORMATS[name]()), np.asarray(picture())) == 0


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone(orientation: int, file_format: str) -> None:
    """A picture stored turned or mirrored, as its EXIF data says, is seen upright."""
    kept = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(file_format, {})
    pixels = read(oriented(orientation, file_format, **kept))
    assert average(pixels, np.asarray(picture())) < 4


def test_every_camera_orientation(shared_data: Path) -> None:
    """Photos of one scene, stored in different orientations, are the same photo."""
    folder = shared_data / "nasty" / "images" / "exif_orientation"
    small = Resize(32, 32, "squash", "bilinear")
    upright = read((folder / "Landscape_1.jpg").read_bytes(), small, 10**9)
    for name in ("Landscape_3", "Landscape_6", "Landscape_8"):
        assert average(read((folder / f"{name}.jpg").read_bytes(), small, 10**9), upright) < 4


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"nonsense" * 20,
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
    ],
    ids=["empty", "offset past the end", "no EXIF at all", "entries past the end"],
)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_counts_as_none(file_format: str, exif: bytes) -> None:
    """Broken metadata is no reason to refuse a good picture."""
    pixels = read(save(picture(), file_format, exif=exif))
    assert average(pixels, np.asarray(picture())) < 6


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_counts_as_upright(orientation: int) -> None:
    """An orientation that EXIF does not have changes nothing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert worst(read(save(picture(), "PNG", exif=exif)), np.asarray(picture())) == 0


def grey_levels(bits: int) -> Image.Image:
    """A ramp over all levels of grey, 96 x 64."""
    levels = np.linspace(0, 2**bits - 1, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    return Image.fromarray(levels.astype(np.uint16 if bits == 16 else np.uint8))


def test_sixteen_bits_are_scaled() -> None:
    """Grey of 16 bits keeps its tones: half of 65535 is half of 255, not white."""
    ramp = grey_levels(16)
    pixels = read(save(ramp, "PNG"))
    assert worst(pixels, (np.asarray(ramp) >> 8)[..., None].repeat(3, axis=-1)) == 0
    assert len(np.unique(pixels)) == 256


MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("1", "L", "P", "RGB"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
}


@pytest.mark.parametrize(
    ("file_format", "mode"), [(name, mode) for name, modes in MODES.items() for mode in modes]
)
def test_every_mode_becomes_rgb(file_format: str, mode: str) -> None:
    """Whatever mode a file stores, pixels come out as Pillow's own conversion gives them."""
    content = save(picture().convert(mode), file_format)
    reference = Image.open(io.BytesIO(content)).convert("RGB")
    assert worst(read(content), np.asarray(reference)) == 0


def half_transparent() -> Image.Image:
    """Red on the left; on the right fully transparent, over hidden blue."""
    image = Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 255, 0))
    image.paste((255, 0, 0, 255), (0, 0, WIDTH // 2, HEIGHT))
    return image


def test_transparency_is_ignored() -> None:
    """Without a background alpha is dropped, as the reference pipelines do."""
    pixels = read(save(half_transparent(), "PNG"))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[0, -1].tolist() == [0, 0, 255]


@pytest.mark.parametrize("store", ["RGBA", "LA", "P", "WEBP"])
def test_transparency_on_a_background(store: str) -> None:
    """With a background what is transparent shows it, in every form of transparency."""
    image = half_transparent()
    if store in ("LA", "P"):
        image = image.convert("LA") if store == "LA" else image.quantize(4)
    content = save(image, "WEBP", lossless=True) if store == "WEBP" else save(image, "PNG")
    rule = Resize(WIDTH, HEIGHT, "squash", "nearest", background=(9, 200, 7))
    pixels = read(content, rule)
    assert pixels[0, -1].tolist() == [9, 200, 7]
    assert pixels[0, 0].tolist() != [9, 200, 7]


def test_opaque_image_ignores_the_background() -> None:
    """A background changes nothing where nothing is transparent."""
    rule = Resize(WIDTH, HEIGHT, "squash", "nearest", background=(9, 200, 7))
    assert worst(read(save(picture(), "PNG"), rule), np.asarray(picture())) == 0


# ---- Sizes: against the transforms that models are trained with, written as those libraries do.


def torchvision(image: Image.Image, resize: int, crop: int, resample: Any) -> Image.Image:
    """torchvision.transforms: Resize(resize), then CenterCrop(crop), on a PIL image."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = resize, int(resize * long / short)
    size = (new_short, new_long) if width <= height else (new_long, new_short)
    if size != image.size:
        image = image.resize(size, resample)
    width, height = image.size
    top, left = round((height - crop) / 2.0), round((width - crop) / 2.0)
    return image.crop((left, top, left + crop, top + crop))


def hugging_face(image: Image.Image, resize: int, crop: int, resample: Any) -> Image.Image:
    """transformers: resize of the shortest edge, then center_crop."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = resize, int(resize * long / short)
    image = image.resize(
        (new_short, new_long) if width <= height else (new_long, new_short), resample
    )
    width, height = image.size
    top, left = (height - crop) // 2, (width - crop) // 2
    return image.crop((left, top, left + crop, top + crop))


SIZES = [(300, 200), (200, 300), (333, 217), (256, 256), (97, 61), (61, 97), (224, 224), (1, 9)]
SIZE_IDS = [f"{width}x{height}" for width, height in SIZES]
RESAMPLE = {name: Image.Resampling[name.upper()] for name in FILTERS}


def noise(size: tuple[int, int]) -> Image.Image:
    """Random pixels: the hardest case for any resize."""
    width, height = size
    levels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))
    return Image.fromarray(levels.astype(np.uint8))


@pytest.mark.parametrize("size", SIZES, ids=SIZE_IDS)
@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("sides", [(64, 56), (58, 56), (56, 56)], ids=["64", "58", "56"])
def test_shorter_side_is_torchvisions(size: Any, name: str, sides: Any) -> None:
    """The defaults of shorter_side are torchvision's Resize and CenterCrop, to the last bit."""
    resize, crop = sides
    rule = Resize.parse({"resize": "shorter_side", "resize_to": resize, "filter": name}, crop, crop)
    want = torchvision(noise(size), resize, crop, RESAMPLE[name])
    assert worst(read(save(noise(size), "PNG"), rule), np.asarray(want)) == 0


@pytest.mark.parametrize("size", SIZES, ids=SIZE_IDS)
def test_shorter_side_rounded_down_is_hugging_faces(size: Any) -> None:
    """With both roundings down, shorter_side is what transformers' image processors do."""
    value = {"resize": "shorter_side", "resize_to": 64, "filter": "bicubic", "crop_offset": "down"}
    want = hugging_face(noise(size), 64, 57, RESAMPLE["bicubic"])
    pixels = read(save(noise(size), "PNG"), Resize.parse(value, 57, 57))
    assert worst(pixels, np.asarray(want)) == 0


@pytest.mark.parametrize("size", SIZES, ids=SIZE_IDS)
@pytest.mark.parametrize("name", FILTERS)
def test_squash_is_keras_load_img(size: Any, name: str) -> None:
    """squash is what Keras' load_img(target_size=...) and torchvision's Resize((h, w)) do."""
    rule = Resize.parse({"resize": "squash", "filter": name}, 50, 40)
    want = noise(size).resize((50, 40), RESAMPLE[name])
    assert worst(read(save(noise(size), "PNG"), rule), np.asarray(want)) == 0


@pytest.mark.parametrize("size", SIZES, ids=SIZE_IDS)
@pytest.mark.parametrize("name", FILTERS)
def test_fit_is_pillows(size: Any, name: str) -> None:
    """fit is Pillow's ImageOps.fit, the step of the reference implementation's clients."""
    rule = Resize.parse({"resize": "fit", "filter": name}, 50, 40)
    want = ImageOps.fit(noise(size), (50, 40), RESAMPLE[name])
    assert worst(read(save(noise(size), "PNG"), rule), np.asarray(want)) == 0


def test_upright_before_resizing() -> None:
    """Width and height are those of the upright picture when the shorter side is looked for."""
    rule = Resize.parse({"resize": "shorter_side", "resize_to": 40, "filter": "box"}, 40, 40)
    turned = read(oriented(6, "PNG"), rule)
    assert worst(turned, read(save(picture(), "PNG"), rule)) == 0


# ---- Limits and errors


def test_memory_is_bounded_before_decoding() -> None:
    """An image that needs more than the budget is refused with its size and the limit."""
    with pytest.raises(TooLarge, match=r"96 x 64 pixels; .* PNG .* up to 0\.0 megapixels"):
        read(save(picture(), "PNG"), memory=10_000)


def test_narrow_image_is_not_blown_up() -> None:
    """One row of pixels, made 32 high, would be a million wide: refused, not computed."""
    rule = Resize.parse({"resize": "shorter_side", "resize_to": 32, "filter": "box"}, 32, 32)
    with pytest.raises(TooLarge, match=r"30000 x 1 pixels: too narrow .* 960000 x 32"):
        read(save(Image.new("L", (30_000, 1)), "PNG"), rule)


def test_budget_is_given_back() -> None:
    """Decoding returns its memory, after a good file and after a bad one."""
    budget = MemoryBudget(WIDTH * HEIGHT * 10)
    content = save(picture(), "PNG")
    for _ in range(3):
        read_pixels(content, AS_IS, budget)
        with pytest.raises(Undecodable):
            read_pixels(content[:-200], AS_IS, budget)


def corrupt(content: bytes, seed: int) -> bytes:
    """Flip one bit somewhere past the first bytes."""
    random = np.random.default_rng(seed)
    position = int(random.integers(12, len(content)))
    flipped = content[position] ^ (1 << int(random.integers(8)))
    return content[:position] + bytes([flipped]) + content[position + 1 :]


@pytest.mark.parametrize("name", FORMATS)
def test_bit_flips_are_pixels_or_errors(name: str) -> None:
    """A flipped bit gives pixels or an error of the caller's, never anything else."""
    content = FORMATS[name]()
    for seed in range(60):
        with contextlib.suppress(RequestError):
            assert read(corrupt(content, seed)).shape == (HEIGHT, WIDTH, 3)


def test_png_bit_flips_are_always_seen() -> None:
    """PNG has checksums: no flipped bit of its pixels is scored as if it were the picture."""
    content = FORMATS["png"]()
    start = content.index(b"IDAT") + 4
    for position in range(start, len(content) - 16, 997):
        flipped = bytes([content[position] ^ 1])
        with pytest.raises(Undecodable, match="checksum"):
            read(content[:position] + flipped + content[position + 1 :])


@pytest.mark.parametrize("tenths", range(10))
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "gif-animated"])
def test_truncated_file_is_refused(name: str, tenths: int) -> None:
    """Half a picture is not scored as a picture."""
    content = FORMATS[name]()
    with pytest.raises(RequestError):
        read(content[: len(content) * tenths // 10])


def test_only_the_first_frame_matters() -> None:
    """An animation that is cut short in a later frame still has its first one."""
    content = FORMATS["gif-animated"]()
    assert worst(read(content[:-1000]), read(FORMATS["gif"]())) == 0


def test_error_does_not_quote_pillow() -> None:
    """Pillow's own texts hold internals such as memory addresses; ours are fixed."""
    content = save(picture(), "PNG")
    with pytest.raises(Undecodable, match=r"^the image is damaged$"):
        read(content[:25] + b"\xff" + content[26:])


def test_pillow_keeps_its_own_defaults() -> None:
    """Nothing global changes in Pillow, which a program around us may use too."""
    read(save(picture(), "WEBP"))
    assert Image.MAX_IMAGE_PIXELS == 89_478_485
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_png_suite(shared_data: Path) -> None:
    """PngSuite: every valid file is read as Pillow reads it, every broken one is refused."""
    files = sorted((shared_data / "nasty" / "images" / "pngsuite").glob("*.png"))
    assert len(files) > 100
    for path in files:
        content = path.read_bytes()
        if path.name.startswith("x"):
            with pytest.raises(RequestError):
                read(content)
            continue
        reference = Image.open(io.BytesIO(content))
        grey16 = reference.mode.startswith("I")
        wanted = reference if grey16 else reference.convert("RGB")
        wanted = wanted.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)
        levels = np.asarray(wanted)
        want = (levels >> 8)[..., None].repeat(3, axis=-1) if grey16 else levels
        assert worst(read(content), want) == 0, path.name
