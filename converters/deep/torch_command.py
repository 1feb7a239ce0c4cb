"""Export a PyTorch module: any callable that returns one.

Examples:
    python -m converters torch shop.nets:make_classifier --weights shop.safetensors \
        --name shop --image-size 224 --pixels imagenet --resize squash --filter bilinear
    python -m converters torch shop.nets:PriceNet --name prices --input features:float32:12

The callable gets no arguments and returns a torch.nn.Module. Modules are looked for in the current
folder first, as python -m does.
"""

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.deep.command import add_common_arguments, publish_as_told
from converters.deep.model import DeepModel
from converters.deep.torch_flags import add_export_arguments
from converters.errors import UnsupportedModel, UsageError, reason
from converters.frameworks import load_framework
from converters.image.settings import read_settings
from converters.measure import Stages

if TYPE_CHECKING:
    from torch import nn

NAME = "torch"
HELP = "export a PyTorch module"

_ROWS = 2  # an example of one row would look like a constant to the exporter
_TYPES = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODULE:CALLABLE", help="what makes the network")
    parser.add_argument("--weights", metavar="FILE", help=".safetensors, or .pth of weights only")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="NAME:TYPE:SIZES",
        help="an input of a network that takes no images, without its axis of rows, such as "
        "x:float32:3,8; once for each argument, in their order",
    )
    add_common_arguments(parser)
    add_export_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert, print the report and return the exit code."""
    load_framework("torch", "torch")
    return publish_as_told(arguments, f"PyTorch module {arguments.model}", load)


def load(arguments: argparse.Namespace, stages: Stages) -> DeepModel:
    """Make the module, give it its weights and export it."""
    # Imported here because it imports torch, which takes seconds.
    from converters.deep.torch_export import TorchOriginal

    examples = _examples(arguments)
    with stages.stage("making the module"):
        module = _make(arguments.model)
        weights = "of the callable"
        if arguments.weights:
            _load_weights(module, Path(arguments.weights))
            weights = Path(arguments.weights).name
        original = TorchOriginal(module, examples)
    with stages.stage("exporting with torch.onnx"):
        graph = original.export(arguments.opset, arguments.exporter)
    count = sum(parameter.numel() for parameter in module.parameters())
    facts = {"module": f"{arguments.model}, {count:,} parameters", "weights": weights}
    return DeepModel(graph, original.forward, facts, {"source": arguments.model})


def _examples(arguments: argparse.Namespace) -> dict[str, np.ndarray]:
    """Two rows of each input, for the exporter to watch."""
    settings = read_settings(arguments)
    if settings is None:
        if not arguments.input:
            raise UsageError("say what the module takes: --image-size, or --input for each input")
        return dict(_parse_input(text) for text in arguments.input)
    if arguments.input:
        raise UsageError("--input: an image network has only one, which --image-size describes")
    size = (settings.height, settings.width)
    shape = (*size, 3) if settings.layout == "nhwc" else (3, *size)
    return {"images": np.zeros((_ROWS, *shape), np.float32)}


def _parse_input(text: str) -> tuple[str, np.ndarray]:
    """Read "x:float32:3,8"; no sizes mean one number a row."""
    name, _, rest = text.partition(":")
    kind, _, sizes = rest.partition(":")
    try:
        shape = [int(size) for size in sizes.split(",")] if sizes else []
    except ValueError:
        shape = [0]
    if not name or kind not in _TYPES or any(size < 1 for size in shape):
        raise UsageError(
            f"--input {text}: expected NAME:TYPE:SIZES with a type of {', '.join(_TYPES)} and "
            "sizes such as 3,8"
        )
    return name, np.ones((_ROWS, *shape), kind)


def _make(target: str) -> "nn.Module":
    """Import the callable and call it."""
    from torch import nn

    make = _find(target)
    try:
        module = make()
    except Exception as error:  # the user's code
        raise UnsupportedModel(
            f"{target} failed: {type(error).__name__}: {reason(error)}"
        ) from error
    if not isinstance(module, nn.Module):
        raise UnsupportedModel(
            f"{target}: expected it to return a torch.nn.Module, got {type(module).__name__}"
        )
    return module.eval()


def _find(target: str) -> Callable[[], Any]:
    module_name, separator, path = target.partition(":")
    if not separator or not path:
        raise UsageError(f"{target}: expected MODULE:CALLABLE, such as shop.nets:make_classifier")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{target}: cannot be imported: {reason(error)}") from error
    if not callable(found):
        raise UsageError(f"{target}: expected a callable, got {type(found).__name__}")
    return found


def _load_weights(module: "nn.Module", path: Path) -> None:
    from converters.deep.weight_files import read_tensors

    if not path.is_file():
        raise UsageError(f"--weights {path}: no such file")
    try:
        module.load_state_dict(read_tensors(path))
    except RuntimeError as error:
        raise UnsupportedModel(f"{path}: not this module's weights: {reason(error)}") from error
