"""A model that says where in an image which colour is, and one picture in many files."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from tests.conftest import serialise

SIDE = 32
CORNERS = ("top left", "top right", "bottom left", "bottom right")
CLASSES = [f"{colour} {corner}" for colour in ("red", "green", "blue") for corner in CORNERS]
LABELS = [{"label": f"{name}, spot", "wnid": f"n{index:08d}"} for index, name in enumerate(CLASSES)]
SQUASH = {"resize": "squash", "filter": "bicubic"}


def corner_onnx(side: int = SIDE) -> bytes:
    """`image` UINT8 [N, S, S, 3] -> `probabilities` FP32 [N, 12]: softmax of each quarter's mean.

    A turned image, or one with red and blue exchanged, gets another class.
    """
    half = side // 2
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["quarters"], kernel_shape=[half] * 2, strides=[half] * 2
        ),
        helper.make_node("Flatten", ["quarters"], ["means"]),
        helper.make_node("Mul", ["means", "scale"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "corners",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["rows", side, side, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 12])],
        [numpy_helper.from_array(np.array(1 / 12, np.float32), "scale")],
    )
    return serialise(graph)


def corner_scores(pixels: np.ndarray) -> np.ndarray:
    """What `corner_onnx` answers for UINT8 [S, S, 3]: FP32 [12]."""
    half = len(pixels) // 2
    means = pixels.reshape(2, half, 2, half, 3).mean(axis=(1, 3)).transpose(2, 0, 1).ravel() / 12
    powers = np.exp(means - means.max())
    scores: np.ndarray = (powers / powers.sum()).astype(np.float32)
    return scores


def publish_corners(
    repository: Path, name: str = "corners", rule: dict[str, Any] | None = None, **more: Any
) -> Path:
    """Publish `corner_onnx`."""
    size = (SIDE, SIDE)
    pictures = [picture().resize(size), picture().rotate(90).resize(size)]
    instances = [{"b64": to_base64(save(p, "PNG"))} for p in pictures]
    publication = Publication(
        task="image-classification",
        onnx_model=corner_onnx(),
        golden_request={"instances": instances[:1]},
        examples=Examples(
            instances,
            {"probabilities": np.stack([corner_scores(np.asarray(p)) for p in pictures])},
            tolerance=1e-5,
        ),
        files={"labels.json": {"labels": LABELS}},
        preprocessing={"image": rule or SQUASH},
        **more,
    )
    return publish(publication, Place.choose(str(repository), name, None), Report(name))


def picture(width: int = 96, height: int = 64) -> Image.Image:
    """A smooth grey-green scene, a little rough, with a red spot in its top left quarter."""
    y, x = np.mgrid[0:height, 0:width]
    scene = np.stack([60 + 40 * x / width, 90 + 30 * y / height, 80 + 0 * x], axis=-1)
    scene[height // 16 : height * 7 // 16, width // 16 : width * 7 // 16] = (250, 30, 20)
    rough = np.random.default_rng(7).normal(0, 3, scene.shape)
    return Image.fromarray(np.clip(scene + rough, 0, 255).astype(np.uint8), "RGB")


BEST = CLASSES.index("red top left")
"""The class of `picture`."""


def grey_picture() -> Image.Image:
    """`picture` with a bright spot instead of a red one, for formats without colour."""
    return Image.fromarray(np.asarray(picture())[:, :, 0])


def save(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Encode an image."""
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def to_base64(content: bytes) -> str:
    """Standard base64 as text."""
    return base64.b64encode(content).decode()


def _with_alpha() -> Image.Image:
    image = picture().convert("RGBA")
    image.putalpha(200)
    return image


FORMATS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: save(picture(), "JPEG", quality=90),
    "jpeg-progressive": lambda: save(picture(), "JPEG", quality=90, progressive=True),
    "jpeg-cmyk": lambda: save(picture().convert("CMYK"), "JPEG", quality=90),
    "png": lambda: save(picture(), "PNG"),
    "png-palette": lambda: save(picture().quantize(64), "PNG"),
    "png-alpha": lambda: save(_with_alpha(), "PNG"),
    "webp": lambda: save(picture(), "WEBP", quality=90),
    "webp-lossless": lambda: save(picture(), "WEBP", lossless=True),
    "webp-alpha": lambda: save(_with_alpha(), "WEBP", quality=90),
    "bmp": lambda: save(picture(), "BMP"),
    "gif": lambda: save(picture().quantize(64), "GIF"),
    "gif-animated": lambda: save(
        picture().quantize(64),
        "GIF",
        save_all=True,
        append_images=[picture().rotate(180).quantize(64)],
        duration=100,
    ),
}
"""The same picture in a dozen files; the first frame counts in the animated one."""

MEDIA_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


# What a camera held the other way stores: undone by the EXIF orientation of the same number.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def oriented(
    orientation: int, file_format: str = "JPEG", mode: str = "RGB", **options: Any
) -> bytes:
    """`picture` as a camera stores it in one of the eight orientations."""
    turn = STORED[orientation]
    stored = (picture() if turn is None else picture().transpose(turn)).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(stored, file_format, exif=exif, **options)
