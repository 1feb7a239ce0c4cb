"""Wrap an ONNX model that exists already, whatever made it.

Examples:
    python -m converters onnx mobilenet.onnx --name mobilenet --image-size 224 --pixels tf \
        --resize shorter_side --resize-to 256 --filter bilinear --labels synset.txt
    python -m converters onnx regressor.onnx --name prices --sample houses.jsonl

With --image-size it becomes an image classifier: channel order, scaling and softmax are grafted
onto the graph as the flags say. Without, it is served as it is, rows of numbers or texts in and
out.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from converters.deep.command import add_common_arguments, publish_as_told
from converters.deep.model import DeepModel
from converters.deep.quantised_weights import expand_quantised_weights
from converters.errors import UnsupportedModel, reason
from converters.measure import Stages
from converters.onnx_graph import opset, read_model, serialise
from modelserver.datatypes import DTYPES
from modelserver.onnx_types import maps_to_tensor, read_type

NAME = "onnx"
HELP = "wrap an existing ONNX model: an image classifier, or any other"

_ERRORS_ONLY = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="FILE", help=".onnx file")
    parser.add_argument(
        "--expand-weights",
        action="store_true",
        help="store weights that are whole numbers as floats: a larger and faster model",
    )
    add_common_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Convert, print the report and return the exit code."""
    return publish_as_told(arguments, f"ONNX model {Path(arguments.model).name}", load)


def load(arguments: argparse.Namespace, stages: Stages) -> DeepModel:
    """Read the model; the original is the file itself, run by ONNX Runtime as it is."""
    path = Path(arguments.model)
    with stages.stage("reading the model"):
        graph = read_model(path)
        expanded = arguments.expand_weights or arguments.precision != "fp32"
        original = OnnxOriginal(serialise(graph), as_floats=expanded)
        if arguments.expand_weights:
            expand_quantised_weights(graph)
    maker = " ".join(filter(None, (graph.producer_name, graph.producer_version))) or "unknown"
    facts = {"file": path.name, "made by": maker, "opset": opset(graph)}
    return DeepModel(graph, original.forward, facts, notes={"source": path.name})


class OnnxOriginal:
    """A model as ONNX Runtime runs it by itself.

    Args:
        content: the bytes of its file.
        as_floats: multiply with weights that are stored as whole numbers in floats, as the model
            says; ONNX Runtime by itself rounds the other factor to whole numbers too.

    Raises:
        UnsupportedModel: ONNX Runtime cannot load it; the message has its reason.
    """

    def __init__(self, content: bytes, as_floats: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        if as_floats:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # a dozen unrelated types
            raise UnsupportedModel(
                f"ONNX Runtime cannot load the model: {reason(error)}"
            ) from error
        self._outputs = {output.name: output.type for output in self._session.get_outputs()}

    def forward(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run it; maps of numbers, as ZipMap makes them, become columns."""
        values = self._session.run(list(self._outputs), dict(feeds))
        return {
            name: _to_array(value, kind)
            for (name, kind), value in zip(self._outputs.items(), values, strict=True)
        }


def _to_array(value: Any, kind: str) -> np.ndarray:
    try:
        read = read_type(kind)
    except ValueError as error:
        raise UnsupportedModel(str(error)) from error
    if read.map_shape:
        return maps_to_tensor(value, read.datatype)[1]
    return np.asarray(value, None if read.datatype == "BYTES" else DTYPES[read.datatype])
