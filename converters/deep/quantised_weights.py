"""Undoes the quantisation of weights in models that compute in floats all the same."""

from collections.abc import Sequence

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper


def expand_quantised_weights(model: ModelProto) -> None:
    """Turn weights that are stored as whole numbers back into floats, in place.

    A model whose weights alone were quantised says that it computes in floats, so this changes no
    answer (ONNX Runtime computes some such products in whole numbers, which does). The file becomes
    up to four times larger, and the model about twice as fast.
    """
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        parts = [stored.get(name) for name in node.input]
        if node.op_type == "DequantizeLinear" and all(part is not None for part in parts):
            weights = _dequantise(node, [numpy_helper.to_array(part) for part in parts if part])
            graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
        else:
            kept.append(node)
    if len(kept) < len(graph.node):
        _keep_nodes(graph, kept)


def _keep_nodes(graph: GraphProto, kept: Sequence[NodeProto]) -> None:
    """Drop all other nodes, and the constants that none of these reads."""
    used = {name for node in kept for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(weights)


def _dequantise(node: NodeProto, parts: Sequence[np.ndarray]) -> np.ndarray:
    """(weights - zero point) * scale, along the node's axis when there is a scale a channel."""
    weights, scale = parts[0], parts[1]
    zero = parts[2] if len(parts) > 2 else np.zeros_like(scale, weights.dtype)
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    if scale.ndim == 1 and weights.ndim > 1:
        along = [1] * weights.ndim
        along[axis] = -1
        scale, zero = scale.reshape(along), zero.reshape(along)
    wide = weights.astype(np.int32) - zero.astype(np.int32)
    floats: np.ndarray = wide.astype(scale.dtype) * scale
    return floats
