"""Small image networks as exporters make them, and what they answer worked out by hand."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
CLASSES = 5
NUMBERS = 3 * SIDE * SIDE

FLOAT = TensorProto.FLOAT


def weights(scale: float = 1.0) -> np.ndarray:
    """FP32 [numbers of an image, classes]: how much each number speaks for each class."""
    random = np.random.default_rng(5)
    return (random.normal(0, scale / NUMBERS**0.5, (NUMBERS, CLASSES))).astype(np.float32)


def linear_network(
    layout: str = "nchw",
    *,
    ending: str = "logits",
    rows: int | str = "rows",
    kind: int = FLOAT,
    version: int = 18,
    matrix: np.ndarray | None = None,
) -> onnx.ModelProto:
    """`images` [N, 3, 8, 8] or [N, 8, 8, 3] -> `scores` [N, 5]: one number for each class.

    Args:
        layout: where its channels are.
        ending: logits; softmax; sigmoid; `map`, logits [N, 5, 1, 1]; `spread`, [N, 5, 1, 2].
        rows: how the batch axis is declared.
        kind: element type of the input and of the arithmetic; UINT8 is cast.
        version: the opset.
        matrix: other weights than `weights()`.
    """
    numbers = kind if kind != TensorProto.UINT8 else FLOAT
    matrix = weights() if matrix is None else matrix
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=numbers),
        helper.make_node("Flatten", ["numbers"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "matrix"], ["logits"]),
    ]
    shape: list[int | str] = [rows, CLASSES]
    constants = [numpy_helper.from_array(matrix.astype(_dtype(numbers)), "matrix")]
    if ending in ("map", "spread"):
        shape += [1, 1 if ending == "map" else 2]
        target = np.array([-1, *shape[1:]] if ending == "map" else [-1, CLASSES, 1, 1], np.int64)
        constants.append(numpy_helper.from_array(target, "target"))
        nodes.append(helper.make_node("Reshape", ["logits", "target"], ["square"]))
        last = ["square", "square"] if ending == "spread" else ["square"]
        nodes.append(helper.make_node("Concat", last, ["scores"], axis=3))
    else:
        operator = {"logits": "Identity", "softmax": "Softmax", "sigmoid": "Sigmoid"}[ending]
        more = {"axis": 1} if ending == "softmax" else {}
        nodes.append(helper.make_node(operator, ["logits"], ["scores"], **more))
    size = [3, SIDE, SIDE] if layout == "nchw" else [SIDE, SIDE, 3]
    return network(
        nodes,
        [helper.make_tensor_value_info("images", kind, [rows, *size])],
        [helper.make_tensor_value_info("scores", numbers, shape)],
        constants,
        version,
    )


def network(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any], version: int = 18
) -> onnx.ModelProto:
    """A whole model of some nodes."""
    graph = helper.make_graph(nodes, "network", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    model.ir_version = 9
    return model


def small_resnet(seed: int = 3, classes: int = CLASSES) -> onnx.ModelProto:
    """`images` [N, 3, 8, 8] -> `scores` [N, classes]: convolutions with a shortcut, then logits."""
    random = np.random.default_rng(seed)

    def constant(name: str, *shape: int) -> Any:
        scale = (2 / np.prod(shape[1:])) ** 0.5
        return numpy_helper.from_array(random.normal(0, scale, shape).astype(np.float32), name)

    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["images", "first"], ["a"], **pads, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"], **pads),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "last"], ["scores"], transB=1),
    ]
    return network(
        nodes,
        [helper.make_tensor_value_info("images", FLOAT, ["rows", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", FLOAT, ["rows", classes])],
        [
            constant("first", 16, 3, 3, 3),
            constant("second", 16, 16, 3, 3),
            constant("last", classes, 16 * SIDE * SIDE // 4),
        ],
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits [N, classes] to probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _dtype(kind: int) -> np.dtype:
    return helper.tensor_dtype_to_np_dtype(kind)
