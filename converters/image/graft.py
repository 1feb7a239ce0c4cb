"""Gives any image network the one signature that every image artefact has.

    image UINT8 [rows, H, W, 3] RGB
      -> channel order -> float -> * factor + offset -> layout      grafted on, before
      -> the network as it was exported
      -> flat -> softmax                                            grafted on, after
    probabilities FP32 [rows, classes]

Letters: H x W pixels. Mistakes in these steps are the usual reason why a served network answers
worse than the trained one; as a part of the graph they are tested once, at conversion.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from converters.errors import UnsupportedModel
from converters.image.pixel_form import Layout, PixelForm
from converters.onnx_graph import (
    ROWS,
    check_opset,
    free_rows,
    inputs,
    keep_output,
    opset,
    shape,
    strip_notes,
)
from modelserver.tasks.image import INPUT, OUTPUT

GRAFTED = "grafted/"
"""Names of grafted nodes and tensors begin with this, those of the network with another prefix."""

_NETWORK = "network/"
_FLOATS = {TensorProto.FLOAT: "FP32", TensorProto.FLOAT16: "FP16", TensorProto.DOUBLE: "FP64"}
_SOFTMAX_OPSET = 13  # where Softmax works on one axis; before, on all from that one, flattened


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What a network takes: name, layout, sizes (None is any) and element type."""

    name: str
    layout: Layout
    images: int | None
    height: int | None
    width: int | None
    element_type: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The output that scores the classes: name, number of classes, and whether it holds logits."""

    name: str
    classes: int
    logits: bool


def find_input(model: ModelProto, layout: Layout | None) -> NetworkInput:
    """Describe the image input of a network.

    Args:
        model: the network as exported.
        layout: where the channels are; None to tell by which axis has length 3.

    Raises:
        UnsupportedModel: it does not take one batch of colour images, or its opset is too old.
    """
    check_opset(model)
    found = inputs(model.graph)
    if len(found) != 1:
        names = ", ".join(value.name for value in found) or "none"
        raise UnsupportedModel(f"expected a model with one input, the images; got {names}")
    sizes = shape(found[0])
    name, element_type = found[0].name, found[0].type.tensor_type.elem_type
    if sizes is None or len(sizes) != 4:
        raise UnsupportedModel(f"input {name}: expected images [N, 3, H, W] or [N, H, W, 3]")
    if element_type not in (*_FLOATS, TensorProto.UINT8):
        kind = TensorProto.DataType.Name(element_type)
        raise UnsupportedModel(f"input {name}: expected floats or UINT8, got {kind}")
    layout = layout or _tell_layout(name, sizes)
    channels, height, width = (
        (sizes[1], sizes[2], sizes[3]) if layout == "nchw" else (sizes[3], sizes[1], sizes[2])
    )
    if channels not in (3, None):
        raise UnsupportedModel(
            f"input {name}: expected 3 channels in {layout.upper()}, got the shape {sizes}"
        )
    return NetworkInput(name, layout, sizes[0], height, width, element_type)


def graft(
    model: ModelProto,
    network: NetworkInput,
    pixels: PixelForm,
    size: tuple[int, int],
    scores: Scores,
) -> ModelProto:
    """Build the model that is served around a network.

    Args:
        model: the network as exported; is left as it is.
        network: its input, from `find_input`.
        pixels: how pixels become its numbers.
        size: height and width of the images.
        scores: its output.
    """
    grafted = onnx.compose.add_prefix(model, _NETWORK)
    strip_notes(grafted)
    graph = grafted.graph
    keep_output(graph, _NETWORK + scores.name)
    before, weights = _before(network, pixels)
    nodes = [*before, *graph.node, *_after(graph.output[0], scores.logits, opset(grafted))]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    _replace_input(graph, network, size)
    found = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [ROWS, scores.classes])
    graph.output.append(found)
    graph.initializer.extend(weights)
    free_rows(graph)
    return grafted


def _before(network: NetworkInput, pixels: PixelForm) -> tuple[list[NodeProto], list[TensorProto]]:
    """The nodes from `image` to the network's input, and their constants."""
    weights: dict[str, np.ndarray] = {}
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if pixels.channels == "bgr":
        weights["bgr"] = np.array([2, 1, 0], np.int64)
        steps.append(("Gather", ["bgr"], {"axis": 3}))
    if network.element_type != TensorProto.UINT8:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
        factor, offset = pixels.factor_and_offset()
        for operator, name, numbers, neutral in (
            ("Mul", "factor", factor, 1.0),
            ("Add", "offset", offset, 0.0),
        ):
            if np.any(numbers != neutral):
                weights[name] = numbers.astype(np.float32)
                steps.append((operator, [name], {}))
        if network.element_type != TensorProto.FLOAT:
            steps.append(("Cast", [], {"to": network.element_type}))
    if network.layout == "nchw":
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    steps = steps or [("Identity", [], {})]
    nodes = _chain(INPUT, _NETWORK + network.name, steps)
    return nodes, [numpy_helper.from_array(array, GRAFTED + n) for n, array in weights.items()]


def _after(scores: onnx.ValueInfoProto, softmax: bool, version: int) -> list[NodeProto]:
    """The nodes from the network's output to `probabilities`."""
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    sizes = shape(scores)
    name = scores.name.removeprefix(_NETWORK)
    if scores.type.tensor_type.elem_type not in _FLOATS:
        raise UnsupportedModel(f"output {name}: expected floats, one for each class")
    if sizes is not None and (len(sizes) < 2 or any(size != 1 for size in sizes[2:])):
        raise UnsupportedModel(f"output {name}: expected [N, classes], got the shape {sizes}")
    if sizes is None or len(sizes) > 2:
        steps.append(("Flatten", [], {"axis": 1}))
    if scores.type.tensor_type.elem_type != TensorProto.FLOAT:
        steps.append(("Cast", [], {"to": TensorProto.FLOAT}))
    if softmax:
        steps.append(("Softmax", [], {"axis": -1 if version >= _SOFTMAX_OPSET else 1}))
    return _chain(scores.name, OUTPUT, steps or [("Identity", [], {})])


def _chain(
    start: str, end: str, steps: list[tuple[str, list[str], dict[str, Any]]]
) -> list[NodeProto]:
    """Nodes that each work on the one before: (operator, constants, attributes)."""
    nodes, current = [], start
    for number, (operator, constants, attributes) in enumerate(steps, start=1):
        place = f"{GRAFTED}{operator.lower()}_{start.rpartition('/')[2]}_{number}"
        result = end if number == len(steps) else place
        given = [current, *(GRAFTED + constant for constant in constants)]
        nodes.append(helper.make_node(operator, given, [result], name=place, **attributes))
        current = result
    return nodes


def _replace_input(graph: GraphProto, network: NetworkInput, size: tuple[int, int]) -> None:
    """Swap the network's input for `image`; defaults of weights stay where they are."""
    weights = {tensor.name for tensor in graph.initializer}
    others = [value for value in graph.input if value.name in weights]
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [ROWS, *size, 3])
    del graph.input[:]
    graph.input.extend([image, *others])


def _tell_layout(name: str, sizes: list[int | None]) -> Layout:
    first, last = sizes[1] == 3, sizes[3] == 3
    if first == last:
        raise UnsupportedModel(
            f"input {name}: the shape {sizes} does not tell where the channels are; "
            "say --layout nchw or --layout nhwc"
        )
    return "nchw" if first else "nhwc"
