"""What reaches a network equals what its own framework would have fed it, number by number.

The network of these tests answers its input, so that the numbers behind decoding, resizing and the
grafted nodes can be seen. The wanted ones are written as the frameworks document their transforms.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from PIL import Image, ImageOps

from converters.image.graft import Scores, find_input, graft
from converters.image.pixel_form import PIXEL_FORMS
from converters.resnet.command import PRESETS
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks.image_pixels import read_pixels
from modelserver.tasks.image_resize import Resize
from tests.converters.networks import FLOAT, network
from tests.modelserver.image_samples import picture, save

SIDE = 56
SIZES = [(300, 200), (200, 300), (61, 97), (256, 256), (333, 217)]


def fed(content: bytes, layout: str, resize: Mapping[str, Any], pixels: str) -> np.ndarray:
    """What a network with that layout is fed for a file: FP32 [H, W, 3] or [3, H, W]."""
    shape = (3, SIDE, SIDE) if layout == "nchw" else (SIDE, SIDE, 3)
    size = SIDE * SIDE * 3
    model = network(
        [helper.make_node("Flatten", ["images"], ["numbers"])],
        [helper.make_tensor_value_info("images", FLOAT, ["rows", *shape])],
        [helper.make_tensor_value_info("numbers", FLOAT, ["rows", size])],
        [],
    )
    scores = Scores("numbers", size, logits=False)
    grafted = graft(model, find_input(model, None), PIXEL_FORMS[pixels], (SIDE, SIDE), scores)
    session = onnxruntime.InferenceSession(
        grafted.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rule = Resize.parse(resize, SIDE, SIDE)
    image = read_pixels(content, rule, MemoryBudget(10**8))
    return session.run(None, {"image": image[None]})[0].reshape(shape)


def resized(image: Image.Image, short: int, resample: Image.Resampling) -> Image.Image:
    """The shorter side gets a length; the other follows, cut to a whole number."""
    width, height = image.size
    if width <= height:
        return image.resize((short, int(short * height / width)), resample)
    return image.resize((int(short * width / height), short), resample)


def torchvision(image: Image.Image, short: int) -> np.ndarray:
    """Resize, CenterCrop, ToTensor, Normalize: FP64 [3, H, W]."""
    image = resized(image, short, Image.Resampling.BILINEAR)
    left, top = (round((length - SIDE) / 2.0) for length in image.size)
    levels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), np.float64) / 255
    normalised = (levels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return normalised.transpose(2, 0, 1)


def hugging_face(image: Image.Image) -> np.ndarray:
    """ConvNextImageProcessor, which the ResNets there use: FP64 [3, H, W]."""
    image = resized(image, 64, Image.Resampling.BICUBIC)
    left, top = ((length - SIDE) // 2 for length in image.size)
    levels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), np.float64) / 255
    return ((levels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)


def reference(image: Image.Image) -> np.ndarray:
    """The 2018 service with PyTorch: the client's fit, then ToTensor and Normalize: [3, H, W]."""
    image = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)
    levels = np.asarray(image, np.float64) / 255
    return ((levels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).transpose(2, 0, 1)


def keras_caffe(image: Image.Image) -> np.ndarray:
    """load_img(target_size, "nearest") and resnet.preprocess_input: FP64 [H, W, 3]."""
    levels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.NEAREST), np.float64)
    return levels[..., ::-1] - [103.939, 116.779, 123.68]


def keras_tf(image: Image.Image) -> np.ndarray:
    """load_img(target_size, "bilinear") and mobilenet_v2.preprocess_input: FP64 [H, W, 3]."""
    levels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float64)
    return levels / 127.5 - 1


@dataclass(frozen=True)
class Mode:
    """What a framework does, how our flags say it, and how large a step of one level is."""

    wanted: Callable[[Image.Image], np.ndarray]
    layout: str
    resize: Mapping[str, Any]
    pixels: str
    level: float


IMAGENET_LEVEL = 1 / 255 / 0.229
MODES = {
    "torchvision V1": Mode(
        lambda image: torchvision(image, 64),
        "nchw",
        {**PRESETS["torchvision-v1"], "resize_to": 64},
        "imagenet",
        IMAGENET_LEVEL,
    ),
    "torchvision V2": Mode(
        lambda image: torchvision(image, 58),
        "nchw",
        {**PRESETS["torchvision-v2"], "resize_to": 58},
        "imagenet",
        IMAGENET_LEVEL,
    ),
    "Hugging Face": Mode(
        hugging_face,
        "nchw",
        {**PRESETS["huggingface"], "resize_to": 64},
        "imagenet",
        IMAGENET_LEVEL,
    ),
    "the 2018 service": Mode(reference, "nchw", PRESETS["reference"], "imagenet", IMAGENET_LEVEL),
    "Keras, caffe": Mode(
        keras_caffe, "nhwc", {"resize": "squash", "filter": "nearest"}, "caffe", 1.0
    ),
    "Keras, tf": Mode(
        keras_tf, "nhwc", {"resize": "squash", "filter": "bilinear"}, "tf", 1 / 127.5
    ),
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", MODES)
def test_every_number(name: str, size: tuple[int, int]) -> None:
    """The same library resizes, so every number is equal up to the rounding of float32."""
    mode = MODES[name]
    random = np.random.default_rng(size[0]).integers(0, 256, (size[1], size[0], 3))
    for image in (picture(*size), Image.fromarray(random.astype(np.uint8))):
        got = fed(save(image, "PNG"), mode.layout, mode.resize, mode.pixels)
        want = mode.wanted(image)
        assert np.abs(got - want).max() < 1e-3 * mode.level
        # The test would notice one level, one pixel, or two channels exchanged.
        assert np.abs(np.roll(want, 1, axis=-1) - want).max() > mode.level


def test_real_photos(shared_data: Any) -> None:
    """On photos too, each decoded by the library that training uses."""
    for path in sorted((shared_data / "image" / "photos").glob("*.jp*g"))[:6]:
        image = Image.open(path).convert("RGB")
        for name, mode in MODES.items():
            got = fed(path.read_bytes(), mode.layout, mode.resize, mode.pixels)
            assert np.abs(got - mode.wanted(image)).max() < 1e-3 * mode.level, (path.name, name)


def test_kerass_own_functions(tmp_path: Any) -> None:
    """Where Keras is installed, its own functions are asked instead of our words for them."""
    keras = pytest.importorskip("keras", reason="needs Keras: make test-deep")
    path = tmp_path / "picture.png"
    picture(97, 61).save(path)
    for filter_name, module, pixels in (
        ("nearest", keras.applications.resnet, "caffe"),
        ("bilinear", keras.applications.mobilenet_v2, "tf"),
        ("lanczos", keras.applications.resnet, "caffe"),
        ("bicubic", keras.applications.mobilenet_v2, "tf"),
    ):
        image = keras.utils.load_img(path, target_size=(SIDE, SIDE), interpolation=filter_name)
        want = module.preprocess_input(keras.utils.img_to_array(image))
        resize = {"resize": "squash", "filter": filter_name}
        np.testing.assert_allclose(fed(path.read_bytes(), "nhwc", resize, pixels), want, atol=1e-4)
