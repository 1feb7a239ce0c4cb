"""skl2onnx converter for TfidfTransformer, which weights counts that arrive as dense features.

The stock converter computes log(1 + tf) for sublinear_tf, where scikit-learn has 1 + log(tf).
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import FloatTensorType
from sklearn.feature_extraction.text import TfidfTransformer

from converters.graph_parts import OPSETS, GraphParts


def register_tfidf_transformer() -> None:
    """Make skl2onnx use the converter of this module in place of its own."""
    update_registered_converter(
        TfidfTransformer, "ModelServerTfidfTransformer", _set_shape, convert_tfidf_transformer
    )


def convert_tfidf_transformer(scope: Any, operator: Any, container: Any) -> None:
    """Add the transformer to skl2onnx's graph: counts [N, V] -> weights [N, V] float32."""
    transformer = operator.raw_operator
    parts = GraphParts(scope.get_unique_variable_name("tfidftransformer") + ".")
    values = parts.node("Cast", operator.inputs[0].full_name, to=TensorProto.FLOAT)
    if transformer.sublinear_tf:
        values = _add_sublinear(parts, values)
    if transformer.use_idf:
        idf = transformer.idf_.astype(np.float32)
        values = parts.node("Mul", values, parts.table("idf", idf))
    if transformer.norm is not None:
        values = _add_norm(parts, values, transformer.norm)
    output = operator.outputs[0].full_name
    parts.nodes.append(helper.make_node("Identity", [values], [output], f"{parts.prefix}output"))
    container.initializers.extend(parts.constants + parts.tables)
    container.nodes.extend(parts.nodes)
    container.node_domain_version_pair_sets.update(OPSETS.items())


def _set_shape(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = FloatTensorType([rows, operator.inputs[0].type.shape[1]])


def _add_sublinear(parts: GraphParts, values: str) -> str:
    """Replace each count c that is not zero by 1 + log(c)."""
    absent = parts.node("Equal", values, parts.constant(0.0, np.float32))
    present = parts.node("Where", absent, parts.constant(1.0, np.float32), values)
    logs = parts.node("Add", parts.node("Log", present), parts.constant(1.0, np.float32))
    return parts.node("Where", absent, parts.constant(0.0, np.float32), logs)


def _add_norm(parts: GraphParts, values: str, norm: str) -> str:
    """Give each row the length one; an empty row stays zero."""
    reduce = {"l1": "ReduceL1", "l2": "ReduceL2"}[norm]
    lengths = parts.node(reduce, values, parts.constant([1]), keepdims=1)
    empty = parts.node("Equal", lengths, parts.constant(0.0, np.float32))
    divisors = parts.node("Where", empty, parts.constant(1.0, np.float32), lengths)
    return parts.node("Div", values, divisors)
