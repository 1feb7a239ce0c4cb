"""Tensors as the protocol carries them: JSON data, or raw little-endian bytes.

Binary form (extension `binary_tensor_data`): elements in row-major order without padding; BOOL is
one byte; a BYTES element is its length as an unsigned 32-bit number, then its bytes.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from modelserver.datatypes import BYTES, DTYPES
from modelserver.errors import InvalidInput
from modelserver.tensors import all_finite, flatten, to_array

_LENGTH = struct.Struct("<I")


def from_json(where: str, datatype: str, shape: Sequence[int], data: Any) -> np.ndarray:
    """Turn JSON data, nested or flat, into an array of the stated shape.

    Args:
        where: the tensor, for the error.
        datatype: of the tensor; BYTES gives str.
        shape: sizes >= 0.
        data: decoded JSON.

    Raises:
        InvalidInput: an element is of the wrong type or range, or their number does not fit.
    """
    if datatype == "FP16":
        raise InvalidInput(
            f"{where}: FP16 cannot be written in JSON; send it as binary data "
            "(parameters.binary_data_size)"
        )
    if not isinstance(data, list):
        raise InvalidInput(f"{where}: data: expected a list")
    elements, found = flatten(where, data)
    count = math.prod(shape)
    if len(elements) != count:
        raise InvalidInput(
            f"{where}: data: the shape {list(shape)} takes {count} elements, got {len(elements)}"
        )
    if len(found) > 1 and found != tuple(shape):
        got = f"as {list(found)}" if len(found) <= len(shape) + 1 else f"{len(found)} levels deep"
        raise InvalidInput(f"{where}: data is nested {got}, but shape is {list(shape)}")
    return to_array(where, datatype, elements).reshape(shape)


def from_binary(where: str, datatype: str, shape: Sequence[int], data: memoryview) -> np.ndarray:
    """Turn binary data into an array of the stated shape; numbers are not copied.

    Args:
        where: the tensor, for the error.
        datatype: of the tensor; BYTES gives bytes.
        shape: sizes >= 0.
        data: the bytes of this tensor alone.

    Raises:
        InvalidInput: the size does not fit the shape.
    """
    count = math.prod(shape)
    if datatype == BYTES:
        return _read_elements(where, count, data).reshape(shape)
    dtype = DTYPES[datatype]
    if len(data) != count * dtype.itemsize:
        raise InvalidInput(
            f"{where}: binary data: the shape {list(shape)} of {datatype} takes "
            f"{count * dtype.itemsize} bytes, got {len(data)}"
        )
    if datatype == "BOOL" and np.frombuffer(data, np.uint8).max(initial=0) > 1:
        raise InvalidInput(f"{where}: binary data: a BOOL is a byte 0 or 1")
    array = np.frombuffer(data, dtype).reshape(shape)
    # The JSON before it may have any length; ONNX Runtime reads numbers where the compiler may
    # assume that they are aligned.
    return array if array.flags.aligned else array.copy()


def to_texts(where: str, array: np.ndarray) -> np.ndarray:
    """Turn BYTES elements, bytes or str, into str.

    Raises:
        InvalidInput: an element is not UTF-8.
    """
    texts = np.empty(array.size, np.object_)
    for i, element in enumerate(array.flat):
        try:
            texts[i] = element if isinstance(element, str) else str(element, "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{where}: element {i} is not UTF-8 ({error.reason})") from error
    return texts.reshape(array.shape)


def to_json(where: str, datatype: str, array: np.ndarray) -> np.ndarray | list[str]:
    """Flatten an array into what `encode_json` writes as a list.

    Raises:
        InvalidInput: JSON has no form for its datatype or for one of its numbers.
    """
    if datatype == BYTES:
        return [str(element) for element in array.flat]
    as_binary = "ask for it as binary data (parameters.binary_data true)"
    if datatype == "FP16":
        raise InvalidInput(f"{where}: FP16 cannot be written in JSON; {as_binary}")
    if array.dtype.kind == "f" and not all_finite(array):
        raise InvalidInput(
            f"{where}: holds NaN or infinity, which JSON has no form for; {as_binary}"
        )
    return np.ascontiguousarray(array).reshape(-1)


def to_binary(datatype: str, array: np.ndarray) -> bytes | memoryview:
    """Write an array in the binary form, texts as UTF-8; numbers are not copied."""
    if datatype != BYTES:
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    chunks: list[bytes] = []
    for element in array.flat:
        encoded = str(element).encode()
        chunks += (_LENGTH.pack(len(encoded)), encoded)
    return b"".join(chunks)


def _read_elements(where: str, count: int, data: memoryview) -> np.ndarray:
    """Read length-prefixed elements."""
    elements: list[bytes] = []
    position = 0
    while len(elements) < count and len(data) - position >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(data, position)
        start = position + _LENGTH.size
        if length > len(data) - start:
            break
        elements.append(bytes(data[start : start + length]))
        position = start + length
    if position != len(data) or len(elements) != count:
        raise InvalidInput(
            f"{where}: binary data: expected {count} elements, each its length and its bytes; "
            f"{len(elements)} are whole, {len(data) - position} bytes are left"
        )
    array = np.empty(count, np.object_)
    array[:] = elements
    return array
