"""What every deep converter hands over, and the flags that all of them share."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from converters.deep.precision import LARGEST_DIFFERENCE, LEAST_AGREEMENT, PRECISIONS
from converters.errors import UsageError
from converters.image.sample_images import Images, read_images, synthetic_images

Forward = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""Runs the original: each input [N, ...] by name to each output [N, ...] by name."""


@dataclass(frozen=True, slots=True)
class DeepModel:
    """An exported network and the original it came from.

    Args:
        graph: the network as exported.
        forward: runs the original in its own framework, with the graph's names.
        facts: about the original, for the report.
        notes: about the original, for the manifest's `evaluation`.
    """

    graph: ModelProto
    forward: Forward
    facts: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checks:
    """How much the served model may differ from the original, and on what that is measured.

    Args:
        precision: fp32, fp16 or int8.
        samples: images to compare on.
        calibration: images to measure ranges on, for int8.
        tolerance: the largest difference of a number that counts as equal.
        least_agreement: share of images that must keep their top class.
        vnni: make an int8 model for processors with VNNI only.
    """

    precision: str
    samples: Images
    calibration: Images | None
    tolerance: float
    least_agreement: float
    vnni: bool = False


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the artefact goes."""
    parser.add_argument("--name", required=True, help="name under which the model is served")
    parser.add_argument(
        "--output", default="models", metavar="DIR", help="model repository (default: %(default)s)"
    )
    parser.add_argument("--version", type=int, metavar="N", help="default: the next free one")


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `read_checks`."""
    group = parser.add_argument_group("precision and proof")
    group.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the arithmetic")
    group.add_argument(
        "--sample-dir",
        metavar="DIR",
        help="photos to compare on; default: gradients and noise, which prove less",
    )
    group.add_argument("--calibration-dir", metavar="DIR", help="typical photos; needed for int8")
    group.add_argument(
        "--vnni",
        action="store_true",
        help="int8 for processors with VNNI: faster there, and wrong on others",
    )
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help=f"largest difference of a probability; default: {_defaults(LARGEST_DIFFERENCE)}",
    )
    group.add_argument(
        "--min-agreement",
        type=float,
        metavar="SHARE",
        help="share of images that must keep their top class; default: "
        + _defaults(LEAST_AGREEMENT),
    )


def read_checks(arguments: argparse.Namespace) -> Checks:
    """Read the flags of `add_check_arguments`.

    Raises:
        UsageError: they contradict each other, or a folder has no images.
    """
    precision = arguments.precision
    if (precision == "int8") != (arguments.calibration_dir is not None):
        raise UsageError("--precision int8 and --calibration-dir belong together")
    if arguments.vnni and precision != "int8":
        raise UsageError("--vnni: belongs to --precision int8")
    calibration = None
    if arguments.calibration_dir is not None:
        calibration = read_images(Path(arguments.calibration_dir))
    samples = read_images(Path(arguments.sample_dir)) if arguments.sample_dir else calibration
    return Checks(
        precision,
        samples or synthetic_images(),
        calibration,
        _share("tolerance", arguments.tolerance, LARGEST_DIFFERENCE[precision]),
        _share("min-agreement", arguments.min_agreement, LEAST_AGREEMENT[precision]),
        arguments.vnni,
    )


def _share(name: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if not 0 <= value <= 1:
        raise UsageError(f"--{name}: expected a number from 0 to 1, got {value}")
    return value


def _defaults(by_precision: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in by_precision.items())
