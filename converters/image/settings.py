"""What the command line says about an image network: pixels, resizing, labels and scores."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from converters.errors import UsageError
from converters.image.labels import Labels, read_labels
from converters.image.pixel_form import PIXEL_FORMS, Channels, Layout, PixelForm, Triple
from modelserver.tasks.image import DEFAULT_TOP_K
from modelserver.tasks.image_resize import FILTERS, MODES, ROUNDINGS, Resize

ScoreKind = Literal["auto", "logits", "probabilities"]

_TRIPLE = 3
_MOST_PIXELS_A_SIDE = 4096
_RESIZE_FLAGS = ("resize", "resize_to", "filter", "long_side", "crop_offset", "background")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How one network sees images.

    Args:
        height, width: of its input, in pixels.
        resize: the artefact's `preprocessing.image`.
        pixels: how pixels become its numbers.
        layout: where its channels are; None to tell by the shape.
        labels: names of its classes; None for their numbers.
        labels_source: the file they came from.
        top_k: how many classes an answer has unless the request says otherwise.
        output: which of its outputs scores the classes; None for the only one.
        scores: what that output holds.
    """

    height: int
    width: int
    resize: Mapping[str, Any]
    pixels: PixelForm
    layout: Layout | None = None
    labels: Labels | None = None
    labels_source: str = ""
    top_k: int = DEFAULT_TOP_K
    output: str | None = None
    scores: ScoreKind = "auto"

    def resizing(self) -> Resize:
        """The rule that the server will apply.

        Raises:
            UsageError: the resize flags do not fit each other or the size.
        """
        try:
            return Resize.parse(self.resize, self.width, self.height)
        except ValueError as error:
            raise UsageError(f"--{str(error).replace('_', '-', 1)}") from error


def add_resize_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how images are brought to the network's size, and what the classes are called."""
    group = parser.add_argument_group("images and answers")
    group.add_argument("--resize", choices=MODES, help="see docs/image-classification.md")
    group.add_argument(
        "--resize-to", type=int, metavar="PIXELS", help="length of the shorter side before cropping"
    )
    group.add_argument("--filter", choices=FILTERS, help="how pixels are interpolated")
    group.add_argument("--long-side", choices=ROUNDINGS, help="how its length is rounded")
    group.add_argument("--crop-offset", choices=ROUNDINGS, help="how half a surplus is rounded")
    group.add_argument(
        "--background", metavar="R,G,B", help="colour under transparent images; default: ignored"
    )
    group.add_argument(
        "--labels", metavar="FILE", help="names of the classes: see docs/image-classification.md"
    )
    group.add_argument(
        "--top-k", type=int, default=DEFAULT_TOP_K, metavar="K", help="classes an answer has"
    )


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what a network of any framework expects of its input and output."""
    group = parser.add_argument_group(
        "image network", "with --image-size it is served as an image classifier"
    )
    group.add_argument("--image-size", metavar="PIXELS", help="N, or WIDTHxHEIGHT")
    group.add_argument(
        "--pixels",
        choices=PIXEL_FORMS,
        help="how pixels become numbers: imagenet (0-1, less the mean, by the deviation), "
        "caffe (BGR, less the mean), tf (-1 to 1), unit (0 to 1), raw (0 to 255)",
    )
    group.add_argument("--channels", choices=get_args(Channels), help="order of the channels")
    group.add_argument("--scale", type=float, help="instead of --pixels: pixels are multiplied")
    group.add_argument("--mean", metavar="A,B,C", help="subtracted then, in the channels' order")
    group.add_argument("--std", metavar="A,B,C", help="divides then, in the channels' order")
    group.add_argument(
        "--layout", choices=get_args(Layout), help="where the channels are; default: by the shape"
    )
    group.add_argument("--scores-output", metavar="NAME", help="which output scores the classes")
    group.add_argument(
        "--scores",
        choices=get_args(ScoreKind),
        default="auto",
        help="what it holds; default: told by its values",
    )
    add_resize_arguments(parser)


def read_settings(arguments: argparse.Namespace) -> ImageSettings | None:
    """Read the flags of `add_network_arguments`; None when there is no --image-size.

    Raises:
        UsageError: flags are missing or contradict each other.
    """
    if arguments.image_size is None:
        _refuse_lone_flags(arguments)
        return None
    width, height = _size(arguments.image_size)
    resize = resize_flags(arguments)
    for name in ("resize", "filter"):
        if name not in resize:
            raise UsageError(
                f"--{name}: must be said; it changes answers. See docs/image-classification.md"
            )
    return ImageSettings(
        height,
        width,
        resize,
        _pixels(arguments),
        arguments.layout,
        **label_settings(arguments),
        output=arguments.scores_output,
        scores=arguments.scores,
    )


def resize_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """The resize flags that were given, as the artefact's `preprocessing.image` names them."""
    given = {name: getattr(arguments, name) for name in _RESIZE_FLAGS}
    if given["background"] is not None:
        given["background"] = [int(level) for level in _triple("background", given["background"])]
    return {name: value for name, value in given.items() if value is not None}


def label_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of ImageSettings about labels and answers."""
    if arguments.top_k < 1:
        raise UsageError(f"--top-k: expected at least 1, got {arguments.top_k}")
    path = arguments.labels
    return {
        "labels": read_labels(Path(path)) if path else None,
        "labels_source": Path(path).name if path else "",
        "top_k": arguments.top_k,
    }


def _pixels(arguments: argparse.Namespace) -> PixelForm:
    numbers = {name: getattr(arguments, name) for name in ("scale", "mean", "std")}
    given = {name: value for name, value in numbers.items() if value is not None}
    if (arguments.pixels is None) == (not given):
        raise UsageError(
            "say how pixels become numbers: either --pixels, or --scale, --mean and --std"
        )
    if arguments.pixels is not None:
        form = PIXEL_FORMS[arguments.pixels]
        if arguments.channels not in (None, form.channels) and any(form.mean):
            raise UsageError(
                f"--pixels {arguments.pixels} has means in the order {form.channels}, "
                f"which contradicts --channels {arguments.channels}; give --mean and --std instead"
            )
        return PixelForm(arguments.channels or form.channels, form.scale, form.mean, form.std)
    texts = {name: _triple(name, given[name]) for name in ("mean", "std") if name in given}
    form = PixelForm(arguments.channels or "rgb", given.get("scale", 1.0), **texts)
    if not form.scale or not all(form.std):
        raise UsageError("--scale, --std: expected numbers other than 0")
    return form


def _refuse_lone_flags(arguments: argparse.Namespace) -> None:
    names = ("pixels", "channels", "scale", "mean", "std", "layout", *_RESIZE_FLAGS)
    for name in names:
        if getattr(arguments, name) is not None:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag}: belongs to image networks, so --image-size is needed")


def _size(text: str) -> tuple[int, int]:
    """Width and height from "224" or "320x240"."""
    parts = text.split("x")
    try:
        width, height = (int(part) for part in (parts if len(parts) > 1 else parts * 2))
    except ValueError:
        raise UsageError(f"--image-size: expected N or WIDTHxHEIGHT, got {text!r}") from None
    if not (1 <= width <= _MOST_PIXELS_A_SIDE and 1 <= height <= _MOST_PIXELS_A_SIDE):
        raise UsageError(f"--image-size: expected 1 to {_MOST_PIXELS_A_SIDE} pixels, got {text!r}")
    return width, height


def _triple(name: str, text: str) -> Triple:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) == 1:
        numbers *= _TRIPLE
    if len(numbers) != _TRIPLE:
        raise UsageError(f"--{name}: expected three numbers A,B,C, got {text!r}")
    return numbers[0], numbers[1], numbers[2]
