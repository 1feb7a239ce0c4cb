"""How an image becomes the model's size: the numbers of `preprocessing.image`, checked at load.

    {"resize": "shorter_side", "resize_to": 256, "filter": "bilinear"}

resize        squash        stretch to the model's size, whatever the proportions
              fit           cut the largest centred part of the model's proportions, then resize
              shorter_side  resize the shorter side to `resize_to`, then cut out the centre
filter        nearest, box, bilinear, hamming, bicubic or lanczos
resize_to     shorter_side only: pixels, at least the model's width and height
long_side     shorter_side only: how the other side is rounded, "down" (default) or "nearest"
crop_offset   shorter_side only: how half the surplus is rounded, "nearest" (default) or "down"
background    [red, green, blue] under transparent images; without it transparency is ignored

Width and height are not repeated here: they are the model's own input shape. The defaults of the
roundings are torchvision's; Hugging Face rounds both down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODES = ("squash", "fit", "shorter_side")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
ROUNDINGS = ("down", "nearest")

_SHORTER_SIDE_ONLY = {"resize_to", "long_side", "crop_offset"}
_MOST_PIXELS_A_SIDE = 16_384


@dataclass(frozen=True, slots=True)
class Resize:
    """The way from any image to `width` x `height` pixels; see the module's text."""

    width: int
    height: int
    mode: str
    filter: str
    resize_to: int = 0
    long_side: str = "down"
    crop_offset: str = "nearest"
    background: tuple[int, int, int] | None = None

    @classmethod
    def parse(cls, value: object, width: int, height: int) -> "Resize":
        """Read `preprocessing.image`.

        Args:
            value: the JSON value.
            width, height: the size that the model takes.

        Raises:
            ValueError: a field is missing, unknown or out of bounds; the message says which.
        """
        if not isinstance(value, Mapping):
            raise ValueError(f"expected an object, got {value!r}")
        mode = _choice(value, "resize", MODES)
        known = {"resize", "filter", "background"}
        known |= _SHORTER_SIDE_ONLY if mode == "shorter_side" else set()
        if unknown := sorted(value.keys() - known):
            raise ValueError(f"{unknown[0]}: unknown for resize {mode!r}")
        return cls(
            width,
            height,
            mode,
            _choice(value, "filter", FILTERS),
            _resize_to(value, width, height) if mode == "shorter_side" else 0,
            _choice(value, "long_side", ROUNDINGS, "down"),
            _choice(value, "crop_offset", ROUNDINGS, "nearest"),
            _background(value),
        )

    def whole_size(self, width: int, height: int) -> tuple[int, int]:
        """The size of the whole image after resizing and before the centre is cut out."""
        if self.mode != "shorter_side":
            return self.width, self.height
        shorter, longer = sorted((width, height))
        long_side = self.resize_to * longer / shorter
        other = round(long_side) if self.long_side == "nearest" else int(long_side)
        return (self.resize_to, other) if width <= height else (other, self.resize_to)

    def crop_box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, upper, right and lower edge of the centre of a resized image."""
        left, top = self._offset(width - self.width), self._offset(height - self.height)
        return left, top, left + self.width, top + self.height

    def _offset(self, surplus: int) -> int:
        # Python rounds halves to even numbers, and so does torchvision, which is written in it.
        return round(surplus / 2) if self.crop_offset == "nearest" else surplus // 2


def _choice(
    value: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str | None = None
) -> str:
    given = value.get(name, default)
    if given not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {given!r}")
    return str(given)


def _resize_to(value: Mapping[str, Any], width: int, height: int) -> int:
    given = value.get("resize_to")
    least = max(width, height)
    if type(given) is not int or not least <= given <= _MOST_PIXELS_A_SIDE:
        raise ValueError(
            f"resize_to: expected {least} to {_MOST_PIXELS_A_SIDE} pixels, got {given!r}"
        )
    return given


def _background(value: Mapping[str, Any]) -> tuple[int, int, int] | None:
    given = value.get("background")
    if given is None:
        return None
    if (
        not isinstance(given, list)
        or len(given) != 3
        or not all(type(level) is int and 0 <= level <= 255 for level in given)
    ):
        raise ValueError(f"background: expected [red, green, blue] of 0 to 255, got {given!r}")
    red, green, blue = given
    return red, green, blue
