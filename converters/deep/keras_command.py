"""Export a Keras 3 model. PyTorch does the arithmetic, so TensorFlow is not needed.

Examples:
    python -m converters keras resnet152.keras --name resnet152 --image-size 224 \
        --pixels caffe --resize fit --filter lanczos --labels imagenet_class_index.json
    python -m converters keras prices.keras --name prices --sample houses.jsonl

Takes .keras files, and .h5 files of older versions. Models of code that is not Keras' own are
refused, as are Lambda layers, because loading them would run what the file says.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.deep.command import add_common_arguments, publish_as_told
from converters.deep.model import DeepModel
from converters.deep.torch_flags import add_export_arguments
from converters.errors import ConverterError, UnsupportedModel, UsageError, reason
from converters.frameworks import load_framework
from converters.image.settings import ImageSettings, read_settings
from converters.measure import Stages

NAME = "keras"
HELP = "export a Keras model"

_ROWS = 2
_FREE_SIZE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="FILE", help=".keras, or .h5 of an older version")
    add_common_arguments(parser)
    add_export_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert, print the report and return the exit code."""
    # Read by Keras when it is imported.
    os.environ.update(KERAS_BACKEND="torch", KERAS_TORCH_DEVICE="cpu")
    load_framework("torch", "keras")
    keras = load_framework("keras", "keras")
    if keras.backend.backend() != "torch":
        raise UsageError("Keras is in use already with another backend than torch")
    return publish_as_told(arguments, f"Keras model {Path(arguments.model).name}", load)


def load(arguments: argparse.Namespace, stages: Stages) -> DeepModel:
    """Read the model and export it."""
    # Imported here because it imports torch, which takes seconds.
    from converters.deep.torch_export import TorchOriginal

    keras = load_framework("keras", "keras")
    path = Path(arguments.model)
    with stages.stage("reading the model"):
        model = _read(keras, path)
        original = TorchOriginal(_as_module(model), _examples(model, read_settings(arguments)))
    with stages.stage("exporting with torch.onnx"):
        graph = original.export(arguments.opset, arguments.exporter)
    facts = {
        "file": f"{path.name}, {model.count_params():,} parameters",
        "framework": f"Keras {keras.__version__} on PyTorch",
    }
    return DeepModel(graph, original.forward, facts, {"source": path.name})


def _read(keras: Any, path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except OSError as error:
        raise ConverterError(f"{path}: cannot be read: {reason(error)}") from error
    except Exception as error:  # Keras raises whatever its layers raise
        raise UnsupportedModel(
            f"{path}: Keras cannot load it without code that is not its own: {reason(error)}"
        ) from error


def _as_module(model: Any) -> Any:
    """A torch module that takes its inputs one by one, as the exporter gives them."""
    if len(model.inputs) == 1:
        return model
    from torch import Tensor, nn

    class Several(nn.Module):
        """Hands several inputs on as the list that Keras wants."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Tensor) -> Any:
            return self.model(list(inputs))

    return Several()


def _examples(model: Any, settings: ImageSettings | None) -> Mapping[str, np.ndarray]:
    """Two rows of each input."""
    return {
        tensor.name: np.zeros((_ROWS, *_sizes(tensor.shape[1:], settings)), tensor.dtype)
        for tensor in model.inputs
    }


def _sizes(shape: Sequence[int | None], settings: ImageSettings | None) -> list[int]:
    """The sizes of a row; free ones are the image's."""
    if settings is None:
        return [_FREE_SIZE if size is None else size for size in shape]
    height, width = settings.height, settings.width
    said = [3, height, width] if settings.layout == "nchw" else [height, width, 3]
    if len(shape) != len(said):
        return [_FREE_SIZE if size is None else size for size in shape]
    return [want if size is None else size for size, want in zip(shape, said, strict=True)]
