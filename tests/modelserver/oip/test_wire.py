"""Tensors as JSON and as bytes: what goes in comes out, and nothing else gets in."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.datatypes import DTYPES
from modelserver.errors import InvalidInput
from modelserver.jsontext import encode_json
from modelserver.oip import wire
from tests.modelserver.oip.tensors import from_bytes, to_bytes

SHAPES = st.lists(st.integers(0, 4), max_size=4)


def elements(datatype: str) -> st.SearchStrategy[Any]:
    """Values of a datatype, its extremes and NaN included."""
    dtype = DTYPES[datatype]
    if datatype == "BYTES":
        return st.text(max_size=20)
    if dtype.kind == "b":
        return st.booleans()
    if dtype.kind == "f":
        return st.floats(width=8 * dtype.itemsize)
    limits = np.iinfo(dtype)
    return st.integers(int(limits.min), int(limits.max))


@st.composite
def arrays(draw: st.DrawFn, datatypes: list[str]) -> tuple[str, np.ndarray]:
    """A datatype and an array of it."""
    datatype = draw(st.sampled_from(datatypes))
    shape = draw(SHAPES)
    count = math.prod(shape)
    values = draw(st.lists(elements(datatype), min_size=count, max_size=count))
    array = np.empty(count, DTYPES[datatype])
    array[:] = values
    return datatype, array.reshape(shape)


@given(arrays(list(DTYPES)))
def test_binary_round_trip(case: tuple[str, np.ndarray]) -> None:
    """Any array is written as the protocol says, and read back bit by bit."""
    datatype, array = case
    written = bytes(wire.to_binary(datatype, array))
    assert written == to_bytes(array)
    read = wire.from_binary("x", datatype, array.shape, memoryview(written))
    if datatype == "BYTES":
        read = wire.to_texts("x", read)
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert to_bytes(read) == to_bytes(array)


@given(arrays([datatype for datatype in DTYPES if datatype != "FP16"]))
def test_json_round_trip(case: tuple[str, np.ndarray]) -> None:
    """Any array that JSON has a form for comes back equal, from flat and from nested data."""
    datatype, array = case
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        with pytest.raises(InvalidInput, match="NaN or infinity"):
            wire.to_json("y", datatype, array)
        return
    flat = json.loads(encode_json(wire.to_json("y", datatype, array)))
    assert len(flat) == array.size
    forms = [flat]
    if array.ndim and array.size:
        forms.append(np.array(flat, np.object_).reshape(array.shape).tolist())
    for data in forms:
        read = wire.from_json("x", datatype, array.shape, data)
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read, array)


@given(st.sampled_from(list(DTYPES)), SHAPES, st.binary(max_size=64))
def test_any_bytes(datatype: str, shape: list[int], content: bytes) -> None:
    """Any bytes are either exactly the tensor, or refused; nothing is cut off or made up."""
    try:
        array = wire.from_binary("x", datatype, shape, memoryview(content))
    except InvalidInput:
        return
    assert array.shape == tuple(shape)
    assert to_bytes(array) == content


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(list(DTYPES)), SHAPES, JSON_VALUES)
def test_any_data(datatype: str, shape: list[int], data: Any) -> None:
    """Any JSON data is either exactly the tensor, or refused with InvalidInput."""
    try:
        array = wire.from_json("x", datatype, shape, data)
    except InvalidInput:
        return
    assert (array.dtype, array.shape) == (DTYPES[datatype], tuple(shape))
    flat = np.array(data, np.object_).reshape(-1).tolist()
    assert [DTYPES[datatype].type(value) for value in flat] == list(array.flat) or (
        datatype == "BYTES" and flat == list(array.flat)
    )


def test_zero_bytes_at_the_end_stay() -> None:
    """A BYTES element that ends with zero bytes keeps them: numpy's own text types would not."""
    array = wire.from_binary("x", "BYTES", [2], memoryview(b"\2\0\0\0a\0\1\0\0\0\0"))
    assert list(array) == [b"a\0", b"\0"]
    assert from_bytes(
        "BYTES", [2], wire.to_binary("BYTES", wire.to_texts("x", array))
    ).tolist() == [
        "a\0",
        "\0",
    ]


def test_numbers_are_not_copied() -> None:
    """Aligned bytes become the array that the model reads, without a copy."""
    content = bytearray(np.arange(4, dtype=np.float32).tobytes())
    array = wire.from_binary("x", "FP32", [4], memoryview(content).toreadonly())
    content[:4] = np.float32(9).tobytes()
    assert array[0] == 9


def test_transposed_outputs() -> None:
    """An output that is not contiguous in memory is written in row-major order."""
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    assert bytes(wire.to_binary("INT32", array)) == to_bytes(np.ascontiguousarray(array))
    assert wire.to_json("y", "INT32", array).tolist() == [0, 3, 1, 4, 2, 5]
