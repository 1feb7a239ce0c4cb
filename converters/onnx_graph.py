"""Small operations on ONNX models that every deep converter needs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import GraphProto, ModelProto, NodeProto

from converters.errors import ConverterError, UnsupportedModel, reason

MOST_BYTES = 2**31 - 1
"""A model file is one protobuf message, which cannot be larger."""

ROWS = "rows"
"""The name of the batch axis."""

_LEAST_OPSET = 7  # before it, Add and Mul need flags to broadcast


def read_model(path: Path) -> ModelProto:
    """Read an ONNX file, with the weights it may keep in files beside it.

    Raises:
        ConverterError: it cannot be read.
    """
    try:
        model = onnx.load(path)
    except (OSError, DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise ConverterError(f"{path}: cannot be read as an ONNX model: {reason(error)}") from error
    if not model.graph.node:
        raise ConverterError(f"{path}: not an ONNX model, or one without a single node")
    return model


def opset(model: ModelProto) -> int:
    """The version of the standard operators; the least that is served when there are none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return versions[0] if versions else _LEAST_OPSET


def check_opset(model: ModelProto) -> None:
    """Refuse models of an opset that nothing can be grafted onto.

    Raises:
        UnsupportedModel: the opset is too old.
    """
    version = opset(model)
    if version < _LEAST_OPSET:
        raise UnsupportedModel(
            f"the network uses opset {version}; {_LEAST_OPSET} is the oldest that can be wrapped. "
            "Export it again, or update it with onnx.version_converter"
        )


def serialise(model: ModelProto) -> bytes:
    """The bytes of a model file.

    Raises:
        UnsupportedModel: it would be larger than a model file can be.
    """
    if model.ByteSize() > MOST_BYTES:
        raise UnsupportedModel("the model is larger than 2 GB, which one file cannot hold")
    try:
        content: bytes = model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise UnsupportedModel(f"the model cannot be written as one file: {error}") from error
    return content


def strip_notes(model: ModelProto) -> None:
    """Drop what exporters note about the source code: its texts hold paths of the machine."""
    del model.metadata_props[:]
    model.doc_string = ""
    for graph in graphs(model.graph):
        graph.doc_string = ""
        del graph.metadata_props[:]
        values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
        for entry in (*graph.node, *values):
            entry.doc_string = ""
            del entry.metadata_props[:]


def inputs(graph: GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller must give: those without a default among the weights."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def shape(value: onnx.ValueInfoProto) -> list[int | None] | None:
    """The sizes of a tensor's axes, None where any; None when even their number is unknown."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [axis.dim_value if axis.HasField("dim_value") else None for axis in kind.shape.dim]


def free_rows(graph: GraphProto) -> None:
    """Declare the first axis of every input and output as the number of rows, whatever it was.

    Whether the model keeps that promise must be tried, with one row and with several.
    """
    for value in (*inputs(graph), *graph.output):
        axes = value.type.tensor_type.shape.dim
        if axes:
            axes[0].dim_param = ROWS
    # What was inferred for one batch size may be wrong for another.
    del graph.value_info[:]


def keep_output(graph: GraphProto, name: str) -> None:
    """Make one tensor the only output, and drop nodes and weights that it does not need."""
    makers = {output: node for node in graph.node for output in node.output if output}
    needed: set[str] = set()
    wanted = [name]
    while wanted:
        tensor = wanted.pop()
        if tensor in needed:
            continue
        needed.add(tensor)
        if tensor in makers:
            wanted += _reads(makers[tensor])
            needed.update(makers[tensor].output)
    _filter(graph.node, lambda node: bool(needed.intersection(node.output)))
    _filter(graph.initializer, lambda tensor: tensor.name in needed)
    _filter(graph.sparse_initializer, lambda tensor: tensor.values.name in needed)
    _filter(graph.output, lambda value: value.name == name)


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names, inside loops and branches too; the rest keep theirs."""
    for inner in graphs(graph):
        for node in inner.node:
            for field in (node.input, node.output):
                field[:] = [names.get(name, name) for name in field]
        for value in (*inner.input, *inner.output, *inner.value_info, *inner.initializer):
            value.name = names.get(value.name, value.name)


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """The graph and those inside its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    yield from graphs(inner)


def _reads(node: NodeProto) -> list[str]:
    """The tensors a node needs, those used inside its loops and branches among them."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for inner_node in inner.node:
                names += _reads(inner_node)
            names += [value.name for value in inner.output]
    return names


def _filter(entries: Any, keep: Callable[[Any], bool]) -> None:
    """Keep some entries of a repeated field, in their order."""
    kept = [entry for entry in entries if keep(entry)]
    if len(kept) < len(entries):
        del entries[:]
        entries.extend(kept)
