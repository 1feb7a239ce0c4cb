"""Collects the nodes and constants of one ONNX graph, with names that do not depend on chance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

# ONNX Runtime 1.20 and newer run all of these; StringConcat came with 20.
OPSETS = {"": 20, "ai.onnx.ml": 3, "com.microsoft": 1}
IR_VERSION = 9
ML_DOMAIN = "ai.onnx.ml"
CONTRIB_DOMAIN = "com.microsoft"

_END = np.iinfo(np.int64).max


class GraphParts:
    """Nodes and constants in the order they are added; every name starts with a prefix.

    Args:
        prefix: makes the names of this graph differ from those of its neighbours; may be set
            anew between nodes, to name the sections of a graph.

    Attributes:
        nodes: what was added so far.
        constants: small values, kept inside the graph.
        tables: values that grow with the model, to be kept by the outermost graph.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.tables: list[onnx.TensorProto] = []
        self._names: dict[tuple[str, str, tuple[int, ...]], str] = {}

    def node(self, op_type: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output and return that output's name."""
        name = self._next_name(op_type)
        self._append(op_type, inputs, [name], name, domain, attributes)
        return name

    def outputs(self, count: int, op_type: str, *inputs: str, **attributes: Any) -> list[str]:
        """Append a node with several outputs and return their names."""
        name = self._next_name(op_type)
        results = [f"{name}.{number}" for number in range(count)]
        self._append(op_type, inputs, results, name, "", attributes)
        return results

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """Store a small value once and return its name; strings need dtype=object."""
        array = np.asarray(value, dtype=dtype)
        key = (repr(array.tolist()), array.dtype.str, array.shape)
        if key not in self._names:
            self._names[key] = f"{self.prefix}constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._names[key]))
        return self._names[key]

    def table(self, name: str, array: npt.NDArray[Any]) -> str:
        """Store a value that grows with the model and return its name."""
        self.tables.append(numpy_helper.from_array(array, self.prefix + name))
        return self.prefix + name

    def lookup(
        self, keys: str, table: Mapping[str, int], default: int, name: str | None = None
    ) -> str:
        """Map strings [T] to integers [T] by a dictionary; unknown ones become `default`."""
        found = self.node(
            "LabelEncoder",
            keys,
            domain=ML_DOMAIN,
            keys_strings=list(table),
            values_int64s=list(table.values()),
            default_int64=default,
        )
        if name is not None:
            self.nodes[-1].name = self.prefix + name
        return found

    def slice(self, values: str, start: int, end: int = _END, step: int = 1) -> str:
        """Take values[start:end:step] of a vector, as Python does."""
        return self.node(
            "Slice",
            values,
            self.constant([start]),
            self.constant([end]),
            self.constant([0]),
            self.constant([step]),
        )

    def pick(self, vector: str, places: str) -> str:
        """Take the values of a vector [T] at some places [Z] -> [Z].

        GatherElements does what Gather would, eight times faster on single numbers.
        """
        return self.node("GatherElements", vector, places, axis=0)

    def join(self, *vectors: str) -> str:
        """Put vectors behind each other."""
        return vectors[0] if len(vectors) == 1 else self.node("Concat", *vectors, axis=0)

    def tokenize(self, text: str, **attributes: Any) -> str:
        """Cut one text [1] into strings [T]; attributes are those of the Tokenizer operator.

        One text at a time is never padded, so the padding value cannot be taken for a word.
        """
        tokens = self.node(
            "Tokenizer",
            text,
            domain=CONTRIB_DOMAIN,
            pad_value="",
            mark=0,
            mincharnum=1,
            **attributes,
        )
        return self.node("Reshape", tokens, self.constant([-1]))

    def characters(self, text: str) -> str:
        """Cut one text [1] into its code points [T]."""
        return self.tokenize(text, separators=[""])

    def graph(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> onnx.GraphProto:
        """Close the graph; the tables stay outside."""
        return helper.make_graph(self.nodes, name, inputs, outputs, self.constants)

    def _next_name(self, op_type: str) -> str:
        return f"{self.prefix}{op_type}_{len(self.nodes)}"

    def _append(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        name: str,
        domain: str,
        attributes: Mapping[str, Any],
    ) -> None:
        self.nodes.append(
            helper.make_node(op_type, inputs, outputs, name, domain=domain, **attributes)
        )


def add_text_loop(
    parts: GraphParts, texts: str, body: GraphParts, text: str, result: str, width: int
) -> str:
    """Run a graph for one text over a batch of texts.

    One text at a time needs no padding, keeps memory flat, and gives a text the same answer
    whatever its neighbours are.

    Args:
        parts: the outer graph; receives the body's tables.
        texts: name of the batch in `parts`, strings [N].
        body: computes `result`, float32 [width], from `text`, string [1].
        text: the name under which `body` expects its text.
        result: the name of the body's result.
        width: length of the result.

    Returns:
        The name of the stacked results, float32 [N, width].
    """
    turn, go, went = (f"{body.prefix}{word}" for word in ("turn", "go", "went"))
    opening = [
        helper.make_node("Unsqueeze", [turn, body.constant([0])], [f"{turn}_index"]),
        helper.make_node("Gather", [texts, f"{turn}_index"], [text], axis=0),
        helper.make_node("Identity", [go], [went]),
    ]
    body.nodes[:0] = opening
    graph = body.graph(
        f"{body.prefix}one_text",
        [
            helper.make_tensor_value_info(turn, TensorProto.INT64, []),
            helper.make_tensor_value_info(go, TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info(went, TensorProto.BOOL, []),
            helper.make_tensor_value_info(result, TensorProto.FLOAT, [width]),
        ],
    )
    parts.tables.extend(body.tables)
    count = parts.node("Squeeze", parts.node("Shape", texts))
    always = parts.constant(True, np.bool_)
    return parts.node("Loop", count, always, body=graph)
