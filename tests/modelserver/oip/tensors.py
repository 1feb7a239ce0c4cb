"""Models that give back what they get, one for each datatype, and requests in the protocol."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from modelserver.datatypes import DTYPES
from tests.conftest import publish_tensor, serialise

HEADER_LENGTH = "Inference-Header-Content-Length"

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def extremes(datatype: str) -> np.ndarray:
    """Two rows of two elements, the smallest and largest of the datatype among them."""
    dtype = DTYPES[datatype]
    if datatype == "BYTES":
        return np.array([["", "zwölf 🦊"], ["\0a\0", "x" * 300]], np.object_)
    if dtype.kind == "b":
        return np.array([[True, False], [False, True]])
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        return np.array([[limits.min, limits.max], [0.1, limits.tiny]], dtype)
    whole = np.iinfo(dtype)
    return np.array([[whole.min, whole.max], [0, 7]], dtype)


def echo_onnx(datatype: str, shape: Sequence[Any] = ("rows", 2)) -> bytes:
    """`x` of any shape -> `y`, the same."""
    kind = ONNX_TYPES[datatype]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "echo",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    return serialise(graph)


def publish_echo(repository: Path, datatype: str) -> Path:
    """Publish `echo_onnx` as echo-<datatype>."""
    golden = np.array([["a", "b"]], np.object_) if datatype == "BYTES" else np.zeros((1, 2), bool)
    golden = golden.astype(DTYPES[datatype])
    return publish_tensor(
        repository, echo_name(datatype), echo_onnx(datatype), golden.tolist(), {"y": golden}
    )


def echo_name(datatype: str) -> str:
    """The name of the model for a datatype."""
    return f"echo-{datatype.lower()}"


def tensor(name: str, datatype: str, array: np.ndarray, **more: Any) -> dict[str, Any]:
    """An input with JSON data."""
    data = array.reshape(-1).tolist()
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data, **more}


def to_bytes(array: np.ndarray) -> bytes:
    """An array in the binary form, written apart from the server's own writer."""
    if array.dtype != np.object_:
        return array.astype(array.dtype.newbyteorder("<")).tobytes()
    encoded = [text if isinstance(text, bytes) else text.encode() for text in array.flat]
    return b"".join(len(element).to_bytes(4, "little") + element for element in encoded)


def from_bytes(datatype: str, shape: Sequence[int], content: bytes) -> np.ndarray:
    """Read an array in the binary form."""
    if datatype != "BYTES":
        return np.frombuffer(content, DTYPES[datatype].newbyteorder("<")).reshape(shape)
    texts = []
    while content:
        length = int.from_bytes(content[:4], "little")
        texts.append(content[4 : 4 + length].decode())
        content = content[4 + length :]
    return np.array(texts, np.object_).reshape(shape)


def binary_tensor(name: str, datatype: str, array: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """An input with binary data, and these bytes."""
    content = to_bytes(array)
    entry = {"name": name, "shape": list(array.shape), "datatype": datatype}
    return {**entry, "parameters": {"binary_data_size": len(content)}}, content


@dataclass(frozen=True)
class Body:
    """A body and the headers that it needs."""

    content: bytes
    headers: Mapping[str, str]


def binary_body(*tensors: tuple[dict[str, Any], bytes], **more: Any) -> Body:
    """A request whose inputs are binary."""
    head = json.dumps({"inputs": [entry for entry, _ in tensors], **more}).encode()
    content = head + b"".join(content for _, content in tensors)
    return Body(content, {HEADER_LENGTH: str(len(head))})


def read_answer(content: bytes, header: Callable[[str], str | None]) -> dict[str, np.ndarray]:
    """The outputs of an answer in either form.

    Args:
        content: its body.
        header: looks up a header.
    """
    length = header(HEADER_LENGTH)
    head = json.loads(content[: int(length)] if length else content)
    rest = content[int(length) :] if length else b""
    outputs = {}
    for entry in head["outputs"]:
        size = entry.get("parameters", {}).get("binary_data_size")
        if size is None:
            array = np.array(entry["data"], DTYPES[entry["datatype"]]).reshape(entry["shape"])
        else:
            array = from_bytes(entry["datatype"], entry["shape"], rest[:size])
            rest = rest[size:]
        outputs[entry["name"]] = array
    assert rest == b""
    return outputs
