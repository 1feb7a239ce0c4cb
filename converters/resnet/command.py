"""ResNet-152 for ImageNet, from published, fine-tuned or random weights.

Examples:
    python -m converters resnet152 --name resnet152 --pretrained v1 --labels synset.txt
    python -m converters resnet152 --name pets --weights pets.safetensors \
        --preset torchvision-v2 --labels pets.txt --sample-dir photos
    python -m converters resnet152 --name load-trial --random-weights 1

The weights decide how images have to be resized, and nothing in the file says how: that is what
--preset is for. Names of torchvision, timm and Hugging Face are understood.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from converters.deep.image_publication import publish_images
from converters.deep.model import DeepModel, add_check_arguments, add_place_arguments, read_checks
from converters.deep.torch_flags import add_export_arguments
from converters.errors import UsageError
from converters.frameworks import load_framework
from converters.image.pixel_form import PIXEL_FORMS
from converters.image.settings import (
    ImageSettings,
    add_resize_arguments,
    label_settings,
    resize_flags,
)
from converters.measure import Stages
from converters.next_steps import next_steps
from converters.publish import Place
from converters.report import Report
from converters.resnet.pretrained import PUBLISHED, fetch, identify

NAME = "resnet152"
HELP = "ResNet-152 from published, fine-tuned or random weights, or its smaller sisters"

SIZE = 224

PRESETS: dict[str, dict[str, Any]] = {
    "torchvision-v1": {"resize": "shorter_side", "resize_to": 256, "filter": "bilinear"},
    "torchvision-v2": {"resize": "shorter_side", "resize_to": 232, "filter": "bilinear"},
    "huggingface": {
        "resize": "shorter_side",
        "resize_to": 256,
        "filter": "bicubic",
        "crop_offset": "down",
    },
    "reference": {"resize": "fit", "filter": "lanczos"},
}
"""How images were resized when the weights were evaluated; `reference`: by the 2018 service."""

_RANDOM_PRESET = "torchvision-v1"
_LAYERS = (50, 101, 152)
_CACHE = "~/.cache/modelserver"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--weights", metavar="FILE", help=".safetensors, or .pth of weights only")
    weights.add_argument(
        "--pretrained", choices=PUBLISHED, help="download torchvision's ImageNet weights"
    )
    weights.add_argument(
        "--random-weights", type=int, metavar="SEED", help="for tests and load trials only"
    )
    parser.add_argument("--preset", choices=PRESETS, help="how the weights want images resized")
    parser.add_argument(
        "--layers", type=int, choices=_LAYERS, default=152, help="default: %(default)s"
    )
    parser.add_argument(
        "--cache", default=_CACHE, metavar="DIR", help="keeps downloads (default: %(default)s)"
    )
    add_place_arguments(parser)
    add_resize_arguments(parser)
    add_check_arguments(parser)
    add_export_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert, print the report and return the exit code."""
    load_framework("torch", "torch")
    place = Place.choose(arguments.output, arguments.name, arguments.version)
    path, preset = _weights_file(arguments)
    settings = _settings(arguments, preset)
    settings.resizing()
    checks = read_checks(arguments)
    report = Report(f"ResNet-{arguments.layers} {place.name} version {place.version}")
    stages = Stages()
    model = _export(arguments, path, preset, stages)
    folder = publish_images(model, settings, checks, place, stages, report)
    print(report.to_text())
    print(next_steps(folder, place))
    return 0


def _weights_file(arguments: argparse.Namespace) -> tuple[Path | None, str]:
    """The file of weights, None for random ones, and their preset."""
    if arguments.random_weights is not None:
        return None, arguments.preset or _RANDOM_PRESET
    if arguments.pretrained is not None:
        published = PUBLISHED[arguments.pretrained]
        if arguments.layers != _LAYERS[-1]:
            raise UsageError("--pretrained: only for 152 layers; give others as --weights")
        path = fetch(published, Path(arguments.cache).expanduser())
        return path, arguments.preset or published.preset
    path = Path(arguments.weights)
    if not path.is_file():
        raise UsageError(f"--weights {path}: no such file")
    preset = arguments.preset or identify(path)
    if preset is None:
        raise UsageError(
            f"--preset: {path.name} is none of the published files, so nothing tells how images "
            f"have to be resized; say one of {', '.join(PRESETS)}"
        )
    return path, preset


def _settings(arguments: argparse.Namespace, preset: str) -> ImageSettings:
    """The preset's way of resizing, unless the flags name another."""
    given = resize_flags(arguments)
    resize = given if "resize" in given else {**PRESETS[preset], **given}
    return ImageSettings(
        SIZE, SIZE, resize, PIXEL_FORMS["imagenet"], "nchw", **label_settings(arguments)
    )


def _export(
    arguments: argparse.Namespace, path: Path | None, preset: str, stages: Stages
) -> DeepModel:
    """Build the network and export it."""
    # Imported here because they import torch, which takes seconds.
    from converters.deep.torch_export import TorchOriginal
    from converters.resnet.network import BLOCKS, parameter_count, random_resnet
    from converters.resnet.weights import build_resnet, read_weights

    layers, seed = arguments.layers, arguments.random_weights
    with stages.stage("building the network"):
        if path is None:
            network = random_resnet(BLOCKS[layers], seed)
            source = f"RANDOM, seed {seed}: the answers mean nothing"
        else:
            network = build_resnet(read_weights(path), layers, str(path))
            source = path.name
    original = TorchOriginal(network, {"input": np.zeros((2, 3, SIZE, SIZE), np.float32)})
    with stages.stage("exporting with torch.onnx"):
        graph = original.export(arguments.opset, arguments.exporter)
    facts = {
        "network": f"ResNet-{layers}, {parameter_count(network):,} parameters",
        "weights": source,
        "preset": preset,
    }
    return DeepModel(graph, original.forward, facts, notes={"weights": source, "preset": preset})
