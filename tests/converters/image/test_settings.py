"""What the command line says about an image network, and what it must not say."""

import argparse

import numpy as np
import pytest

from converters.errors import UsageError
from converters.image.pixel_form import PixelForm
from converters.image.settings import add_network_arguments, read_settings

SQUASH = "--image-size 224 --resize squash --filter bilinear "


def parse(text: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_network_arguments(parser)
    return parser.parse_args(text.split())


def test_everything_said() -> None:
    """Each flag has its field, sizes are width by height."""
    text = (
        "--image-size 320x240 --resize shorter_side --resize-to 400 --filter lanczos "
        "--long-side nearest --crop-offset down --background 255,0,10 --channels bgr --scale 0.5 "
        "--mean 1,2,3 --std 4 --layout nhwc --scores logits --scores-output y --top-k 3"
    )
    settings = read_settings(parse(text))
    assert settings is not None
    assert (settings.width, settings.height) == (320, 240)
    assert settings.resize == {
        "resize": "shorter_side",
        "resize_to": 400,
        "filter": "lanczos",
        "long_side": "nearest",
        "crop_offset": "down",
        "background": [255, 0, 10],
    }
    assert settings.pixels == PixelForm("bgr", 0.5, (1, 2, 3), (4, 4, 4))
    assert (settings.layout, settings.scores, settings.output) == ("nhwc", "logits", "y")
    assert settings.top_k == 3
    assert settings.resizing().background == (255, 0, 10)


def test_no_image_network() -> None:
    """Without --image-size it is no image network."""
    assert read_settings(parse("")) is None


def test_channels_of_a_form_without_means() -> None:
    """A form without means of its own goes with either order of channels."""
    settings = read_settings(parse(SQUASH + "--pixels unit --channels bgr"))
    assert settings is not None
    assert settings.pixels.channels == "bgr"


WRONG: dict[str, tuple[str, str]] = {
    "no size": ("--pixels raw", "--pixels: belongs to image networks, so --image-size"),
    "a lone resize flag": ("--resize-to 3", "--resize-to: belongs to image networks"),
    "no pixels": (SQUASH, "either --pixels, or --scale, --mean and --std"),
    "pixels twice": (SQUASH + "--pixels raw --scale 2", "either --pixels, or"),
    "no resize": ("--image-size 8 --filter box --pixels raw", "--resize: must be said"),
    "no filter": ("--image-size 8 --resize fit --pixels raw", "--filter: must be said"),
    "means in another order": (
        SQUASH + "--pixels caffe --channels rgb",
        "has means in the order bgr, which contradicts --channels rgb",
    ),
    "a size of one side": (SQUASH + "--image-size 8x --pixels raw", "--image-size: expected N or"),
    "a size of 0": (SQUASH + "--image-size 0 --pixels raw", "expected 1 to 4096 pixels"),
    "a huge size": (SQUASH + "--image-size 5000 --pixels raw", "expected 1 to 4096 pixels"),
    "two means": (SQUASH + "--mean 1,2", "--mean: expected three numbers"),
    "a mean in words": (SQUASH + "--mean a,b,c", "--mean: expected three numbers"),
    "a deviation of 0": (SQUASH + "--std 1,0,1", "expected numbers other than 0"),
    "a scale of 0": (SQUASH + "--scale 0", "expected numbers other than 0"),
    "top_k of 0": (SQUASH + "--pixels raw --top-k 0", "--top-k: expected at least 1"),
    "labels that are not there": (SQUASH + "--pixels raw --labels x.txt", "x.txt: cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_flags(name: str) -> None:
    """Flags that are missing or contradict each other are named."""
    text, message = WRONG[name]
    with pytest.raises(Exception, match=message) as refused:
        read_settings(parse(text))
    assert type(refused.value).__module__ == "converters.errors"


def test_resize_flags_that_do_not_fit() -> None:
    """The server's own rules apply to the resize flags, in the words of the command line."""
    settings = read_settings(parse(SQUASH + "--pixels raw --resize-to 256"))
    assert settings is not None
    with pytest.raises(UsageError, match="--resize-to: unknown for resize 'squash'"):
        settings.resizing()


def test_numbers_of_a_form() -> None:
    """By hand and as factor and offset are the same arithmetic."""
    form = PixelForm("bgr", 1 / 255, (0.1, 0.2, 0.3), (0.5, 0.25, 2.0))
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    factor, offset = form.factor_and_offset()
    want = pixels[..., ::-1] * factor + offset
    np.testing.assert_allclose(form.numbers(pixels, "nhwc"), want, atol=1e-6)
    np.testing.assert_allclose(form.numbers(pixels, "nchw").transpose(0, 2, 3, 1), want, atol=1e-6)
    assert form.changes_numbers
    assert not PixelForm("bgr").changes_numbers
