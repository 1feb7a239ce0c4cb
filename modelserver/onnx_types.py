"""ONNX value types as ONNX Runtime writes them, and what the server makes of each.

    tensor(float)                            served as it is
    optional(tensor(float))                  an input that may be left out
    seq(map(int64,tensor(float)))            an output: a row of numbers for each map
    map(string,tensor(float))                an output: one row of numbers

A map of numbers is what classifiers exported with ZipMap answer: class -> probability. Its keys
are the same for every answer, so the numbers form a tensor, in ascending order of the keys.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver.datatypes import DTYPES
from modelserver.manifest import ANY_SIZE

Keys = tuple[int | str, ...]
"""The keys of a map, in the order of its columns."""

_ELEMENTS = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
}
"""ONNX Runtime's element types to the datatypes of the Open Inference Protocol."""

_TENSOR = re.compile(r"(optional\()?tensor\((\w+)\)\)?")
_MAP = re.compile(r"(seq\()?map\((?:int64|string),tensor\((float|double|int64)\)\)\)?")


@dataclass(frozen=True, slots=True)
class ValueType:
    """What an input or output holds.

    Args:
        datatype: of the Open Inference Protocol.
        is_optional: an input that may be left out.
        map_shape: the shape that maps take as a tensor; None for tensors.
    """

    datatype: str
    is_optional: bool = False
    map_shape: tuple[int, ...] | None = None


def read_type(text: str) -> ValueType:
    """Understand a type text of ONNX Runtime.

    Raises:
        ValueError: the type cannot be served; the message says what to do about it.
    """
    tensor = _TENSOR.fullmatch(text)
    if tensor and tensor[2] in _ELEMENTS:
        return ValueType(_ELEMENTS[tensor[2]], is_optional=tensor[1] is not None)
    if tensor:
        raise ValueError(f"{text} cannot be served; add a Cast to float or another served type")
    found = _MAP.fullmatch(text)
    if found:
        shape = (ANY_SIZE, ANY_SIZE) if found[1] else (ANY_SIZE,)
        return ValueType(_ELEMENTS[found[2]], map_shape=shape)
    if text.startswith("seq("):
        raise ValueError(
            f"{text} cannot be served; end the graph with ConcatFromSequence, or give each "
            "element an output of its own"
        )
    raise ValueError(f"{text} cannot be served; expected a tensor")


def maps_to_tensor(
    value: Mapping[int | str, Any] | Sequence[Mapping[int | str, Any]], datatype: str
) -> tuple[Keys, np.ndarray]:
    """Lay maps of numbers out as a tensor.

    Args:
        value: N maps with the same keys, or one map.
        datatype: of the numbers.

    Returns:
        The keys in ascending order, and their numbers: [N, keys], or [keys] for one map.

    Raises:
        ValueError: two maps have different keys.
    """
    maps = [value] if isinstance(value, Mapping) else value
    keys = tuple(sorted(maps[0])) if maps else ()
    if any(row.keys() != set(keys) for row in maps):
        raise ValueError("its maps have different keys, so they form no tensor")
    rows = np.array([[row[key] for key in keys] for row in maps], DTYPES[datatype])
    rows = rows.reshape(len(maps), len(keys))
    return keys, rows[0] if isinstance(value, Mapping) else rows
