"""What the sub-commands for PyTorch, Keras, TensorFlow and ONNX have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path

from converters.deep.image_publication import publish_images
from converters.deep.model import (
    DeepModel,
    add_check_arguments,
    add_place_arguments,
    read_checks,
)
from converters.deep.tensor_publication import publish_tensors
from converters.errors import UsageError
from converters.image.labels import read_labels
from converters.image.settings import add_network_arguments, read_settings
from converters.measure import Stages
from converters.next_steps import next_steps
from converters.publish import Place
from converters.report import Report
from converters.sample_files import read_sample

Load = Callable[[argparse.Namespace, Stages], DeepModel]


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare everything but the model itself."""
    add_place_arguments(parser)
    parser.add_argument(
        "--sample",
        metavar="FILE",
        help="typical values, where the model is no image network: .jsonl, .csv or .npy",
    )
    add_network_arguments(parser)
    add_check_arguments(parser)


def publish_as_told(arguments: argparse.Namespace, title: str, load: Load) -> int:
    """Read the flags, load and export the model, publish it and print the report.

    Args:
        arguments: of `add_common_arguments` and of the command itself.
        title: of the report.
        load: makes the model; called when all flags have been found right.

    Returns:
        The exit code.
    """
    place = Place.choose(arguments.output, arguments.name, arguments.version)
    stages = Stages()
    report = Report(f"{title} as {place.name} version {place.version}")
    settings = read_settings(arguments)
    if settings is not None:
        settings.resizing()
        if arguments.sample:
            raise UsageError("--sample: image networks are compared on --sample-dir")
        checks = read_checks(arguments)
        model = load(arguments, stages)
        folder = publish_images(model, settings, checks, place, stages, report)
    else:
        folder = _publish_tensors(arguments, place, stages, report, load)
    print(report.to_text())
    print(next_steps(folder, place))
    return 0


def _publish_tensors(
    arguments: argparse.Namespace, place: Place, stages: Stages, report: Report, load: Load
) -> Path:
    for name in ("sample_dir", "calibration_dir", "min_agreement"):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')}: belongs to image networks")
    if arguments.precision != "fp32":
        raise UsageError("--precision: only image networks, whose top classes can be compared")
    columns = read_sample(Path(arguments.sample)) if arguments.sample else None
    labels = read_labels(Path(arguments.labels)) if arguments.labels else None
    tolerance = read_checks(arguments).tolerance
    model = load(arguments, stages)
    return publish_tensors(model, columns, tolerance, labels, place, stages, report)
