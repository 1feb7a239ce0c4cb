"""Export a TensorFlow SavedModel, through tf2onnx.

Examples:
    python -m converters tensorflow exported/classifier --name classifier --image-size 224 \
        --pixels tf --resize squash --filter bilinear --labels labels.txt
    python -m converters tensorflow exported/prices --name prices --sample houses.jsonl

TensorFlow pins many of the packages it needs; give it an environment of its own, with
pip install 'modelserver[cpu,converters,tensorflow]'. Models that Keras 3 saved as .keras files
need no TensorFlow: see the command keras.
"""

import argparse
import io
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from converters.deep.command import add_common_arguments, publish_as_told
from converters.deep.model import DeepModel
from converters.errors import ConverterError, UnsupportedModel, UsageError, reason
from converters.frameworks import load_framework
from converters.measure import Stages
from converters.onnx_graph import opset

NAME = "tensorflow"
HELP = "export a TensorFlow SavedModel"

_DEFAULT_OPSET = 18
_DEFAULT_SIGNATURE = "serving_default"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="DIR", help="folder with saved_model.pb")
    parser.add_argument(
        "--signature",
        default=_DEFAULT_SIGNATURE,
        metavar="NAME",
        help="which of its functions (default: %(default)s)",
    )
    parser.add_argument(
        "--opset", type=int, default=_DEFAULT_OPSET, metavar="N", help="default: %(default)s"
    )
    add_common_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert, print the report and return the exit code."""
    # Read by TensorFlow when it is imported: errors only, and the CPU.
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    load_framework("tensorflow", "tensorflow")
    load_framework("tf2onnx", "tensorflow")
    return publish_as_told(arguments, f"TensorFlow model {Path(arguments.model).name}", load)


def load(arguments: argparse.Namespace, stages: Stages) -> DeepModel:
    """Read one signature of the SavedModel and export it."""
    tensorflow = load_framework("tensorflow", "tensorflow")
    path = Path(arguments.model)
    with stages.stage("reading the model"):
        loaded = _read(tensorflow, path)
        original = _Original(tensorflow, loaded, _signature(loaded, arguments.signature))
    with stages.stage("exporting with tf2onnx"):
        graph = original.export(arguments.opset)
    facts = {
        "folder": f"{path.name}, signature {arguments.signature}",
        "framework": f"TensorFlow {tensorflow.__version__}",
        "opset": opset(graph),
    }
    return DeepModel(graph, original.forward, facts, {"source": path.name})


class _Original:
    """A signature to run in TensorFlow and to export; both go by the names of the signature.

    Args:
        tensorflow: the module.
        loaded: what the SavedModel was loaded as; it owns the weights, so it must live on.
        function: the signature.
    """

    def __init__(self, tensorflow: Any, loaded: Any, function: Any) -> None:
        self._tensorflow = tensorflow
        self._loaded = loaded
        self._function = function

    def forward(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run it in TensorFlow itself."""
        given = {name: self._tensorflow.constant(array) for name, array in feeds.items()}
        return {name: value.numpy() for name, value in self._function(**given).items()}

    def export(self, version: int) -> ModelProto:
        """Export it.

        Args:
            version: the opset.

        Raises:
            UnsupportedModel: tf2onnx cannot; the message has its reason.
        """
        convert = load_framework("tf2onnx", "tensorflow").convert
        tensorflow, function = self._tensorflow, self._function
        taken = function.structured_input_signature[1]
        names = list(taken)
        specs = [tensorflow.TensorSpec(s.shape, s.dtype, name) for name, s in taken.items()]

        @tensorflow.function(input_signature=specs)  # type: ignore[untyped-decorator]
        def call(*tensors: Any) -> Any:
            return function(**dict(zip(names, tensors, strict=True)))

        try:
            with _quietly():
                graph: ModelProto = convert.from_function(call, specs, opset=version)[0]
        except Exception as error:  # tf2onnx raises whatever its rewriters raise
            raise UnsupportedModel(f"tf2onnx cannot export this model: {reason(error)}") from error
        left = {node.op_type for node in graph.graph.node if not _is_onnx(node.domain)}
        if left:
            raise UnsupportedModel(
                f"tf2onnx has no ONNX operators for {', '.join(sorted(left))} of this model"
            )
        return graph


def _is_onnx(domain: str) -> bool:
    return domain in ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


def _read(tensorflow: Any, path: Path) -> Any:
    if not (path / "saved_model.pb").is_file():
        raise UsageError(f"{path}: no SavedModel, which has a file saved_model.pb")
    try:
        return tensorflow.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises a dozen types
        raise ConverterError(f"{path}: TensorFlow cannot load it: {reason(error)}") from error


def _signature(loaded: Any, name: str) -> Any:
    if name not in loaded.signatures:
        known = ", ".join(loaded.signatures) or "none"
        raise UsageError(f"--signature: there is no {name!r}; the model has {known}")
    return loaded.signatures[name]


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep tf2onnx's log of its rewriters away from the user's terminal."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
