"""The numbers of `preprocessing.image`: what is taken, and what is refused at load."""

from typing import Any

import pytest

from modelserver.tasks.image_resize import Resize

CROP = {"resize": "shorter_side", "resize_to": 256, "filter": "bilinear"}
SQUASH = {"resize": "squash", "filter": "bicubic"}


def test_defaults_are_torchvisions() -> None:
    """Roundings that are not given are torchvision's, and transparency is ignored."""
    rule = Resize.parse(CROP, 224, 200)
    assert rule == Resize(224, 200, "shorter_side", "bilinear", 256, "down", "nearest", None)


def test_everything_given() -> None:
    """Every field has its place."""
    more = {"long_side": "nearest", "crop_offset": "down", "background": [255, 0, 7]}
    rule = Resize.parse({**CROP, **more}, 224, 224)
    assert (rule.long_side, rule.crop_offset, rule.background) == ("nearest", "down", (255, 0, 7))


REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": (None, "expected an object, got None"),
    "a list": ([], "expected an object"),
    "no mode": ({"filter": "box"}, "resize: expected one of squash, fit, shorter_side, got None"),
    "an unknown mode": ({**SQUASH, "resize": "crop"}, "resize: expected one of"),
    "no filter": ({"resize": "fit"}, "filter: expected one of nearest, box"),
    "an unknown filter": ({**SQUASH, "filter": "cubic"}, "filter: .* got 'cubic'"),
    "an unknown field": ({**SQUASH, "width": 224}, "width: unknown for resize 'squash'"),
    "a field of another mode": ({**SQUASH, "resize_to": 256}, "resize_to: unknown"),
    "no resize_to": ({**CROP, "resize_to": None}, "resize_to: expected 224 to 16384 pixels"),
    "resize_to below the crop": ({**CROP, "resize_to": 223}, "resize_to: .* got 223"),
    "resize_to too large": ({**CROP, "resize_to": 16385}, "resize_to"),
    "resize_to no whole number": ({**CROP, "resize_to": 256.0}, "resize_to"),
    "an unknown rounding": ({**CROP, "long_side": "up"}, "long_side: .* got 'up'"),
    "a rounding that is no text": ({**CROP, "crop_offset": 1}, "crop_offset"),
    "a filter that is a list": ({**SQUASH, "filter": ["box"]}, "filter"),
    "two colours": ({**SQUASH, "background": [0, 0]}, "background"),
    "a colour too bright": ({**SQUASH, "background": [0, 0, 256]}, "background"),
    "a colour that is true": ({**SQUASH, "background": [0, 0, True]}, "background"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """A number that the server would not follow is refused, with its name."""
    value, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        Resize.parse(value, 224, 224)


@pytest.mark.parametrize(
    ("size", "whole", "box"),
    [
        ((500, 375), (341, 256), (58, 16, 282, 240)),
        ((375, 500), (256, 341), (16, 58, 240, 282)),
        ((256, 256), (256, 256), (16, 16, 240, 240)),
        ((10, 5), (512, 256), (144, 16, 368, 240)),
    ],
    ids=str,
)
def test_shorter_side(size: Any, whole: Any, box: Any) -> None:
    """The shorter side gets the length, the other follows, the centre is cut out."""
    rule = Resize.parse(CROP, 224, 224)
    assert rule.whole_size(*size) == whole
    assert rule.crop_box(*whole) == box


def test_roundings() -> None:
    """275 x 183 becomes 384.7 wide; of 161 surplus pixels half is 80.5, and of 163 81.5."""
    down = Resize.parse({**CROP, "crop_offset": "down"}, 224, 224)
    nearest = Resize.parse({**CROP, "long_side": "nearest"}, 224, 224)
    assert down.whole_size(275, 183) == (384, 256)
    assert nearest.whole_size(275, 183) == (385, 256)
    assert [down.crop_box(width, 256)[0] for width in (385, 387)] == [80, 81]
    # Halves go to the even number.
    assert [nearest.crop_box(width, 256)[0] for width in (385, 387)] == [80, 82]
