"""From JSON to arrays: every element is of the tensor's datatype, and every list of one length."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.datatypes import DTYPES
from modelserver.errors import InvalidInput
from modelserver.tensors import MOST_AXES, flatten, to_array
from tests.modelserver.test_jsontext import JSON_VALUES

WHOLE = {name: np.iinfo(dtype) for name, dtype in DTYPES.items() if dtype.kind in "iu"}
FRACTIONS = {name: np.finfo(dtype) for name, dtype in DTYPES.items() if dtype.kind == "f"}


@pytest.mark.parametrize(
    ("value", "elements", "shape"),
    [
        (1, [1], ()),
        ("ab", ["ab"], ()),
        (None, [None], ()),
        ({"a": 1}, [{"a": 1}], ()),
        ([], [], (0,)),
        ([1, 2], [1, 2], (2,)),
        ([[1, 2], [3, 4], [5, 6]], [1, 2, 3, 4, 5, 6], (3, 2)),
        ([[[1]], [[2]]], [1, 2], (2, 1, 1)),
        ([[], []], [], (2, 0)),
        ([1, [2]], [1, [2]], (2,)),  # the element that is a list is refused by to_array
    ],
)
def test_flatten(value: Any, elements: list[Any], shape: tuple[int, ...]) -> None:
    """Nested lists become elements in row-major order and their shape."""
    assert flatten("x", value) == (elements, shape)


@pytest.mark.parametrize(
    "value",
    [[[1], [2, 3]], [[1, 2], [3]], [[1], []], [[], [1]], [[1], 2], [[[1], [2]], [[3]]]],
    ids=str,
)
def test_ragged(value: Any) -> None:
    """Lists of different lengths at one depth are no tensor."""
    with pytest.raises(InvalidInput, match=r"^x: lists of different lengths"):
        flatten("x", value)


def test_deep_nesting() -> None:
    """As many axes as numpy holds are taken; the deepest list of JSON is refused in a few words."""
    value: list[Any] = []
    for _ in range(MOST_AXES - 1):
        value = [value]
    elements, shape = flatten("x", value)
    assert (elements, len(shape)) == ([], MOST_AXES)
    for _ in range(1024 - MOST_AXES):
        value = [value]
        with pytest.raises(InvalidInput, match=r"^x: lists are nested more than 32 deep$"):
            flatten("x", value)


@pytest.mark.parametrize("datatype", DTYPES)
def test_datatype_is_kept(datatype: str) -> None:
    """Every datatype gives an array of its own dtype, empty ones included."""
    elements = {"b": [True], "O": ["a"]}.get(DTYPES[datatype].kind, [1])
    assert to_array("x", datatype, elements).dtype == DTYPES[datatype]
    assert to_array("x", datatype, []).dtype == DTYPES[datatype]


@pytest.mark.parametrize("datatype", WHOLE)
def test_whole_number_range(datatype: str) -> None:
    """The smallest and largest whole number pass unchanged; one more is refused by name."""
    limits = WHOLE[datatype]
    ends = [int(limits.min), int(limits.max)]
    assert to_array("x", datatype, ends).tolist() == ends
    for outside in (ends[0] - 1, ends[1] + 1):
        with pytest.raises(InvalidInput, match=f"x: {outside} is out of range for {datatype}"):
            to_array("x", datatype, [0, outside, 1])


@pytest.mark.parametrize("datatype", FRACTIONS)
def test_fraction_range(datatype: str) -> None:
    """The largest fraction passes; what would become infinite is refused."""
    largest = float(FRACTIONS[datatype].max)
    assert to_array("x", datatype, [largest, -largest]).tolist() == [largest, -largest]
    for outside in (largest * 2, -largest * 2, 10**400):
        with pytest.raises(InvalidInput, match=f"x: a number is out of range for {datatype}"):
            to_array("x", datatype, [0, outside])


def test_large_whole_numbers_as_fractions() -> None:
    """Fractions take whole numbers, the largest of JSON included."""
    assert to_array("x", "FP64", [2**64 - 1, -(2**63)]).tolist() == [2.0**64, -(2.0**63)]


JUNK: list[Any] = [None, [], [1], {}, {"a": 1}]
REFUSED = [
    *[("BOOL", value) for value in [0, 1, 1.0, "true", *JUNK]],
    *[(datatype, value) for datatype in WHOLE for value in [True, 1.0, 2.0**70, "1", *JUNK]],
    *[(datatype, value) for datatype in FRACTIONS for value in [True, "1", "NaN", *JUNK]],
    *[("BYTES", value) for value in [True, 1, 1.5, *JUNK]],
]


@pytest.mark.parametrize(("datatype", "value"), REFUSED)
def test_other_json_types(datatype: str, value: Any) -> None:
    """A value of another JSON type is refused: 1.0 is no whole number, true is no number."""
    with pytest.raises(InvalidInput, match=f"^x: expected {datatype}, so .*, got "):
        to_array("x", datatype, [value])


def test_texts() -> None:
    """Texts stay texts: any length, any character."""
    texts = ["", "a" * 10_000, "漢\x00字", "1"]
    assert to_array("x", "BYTES", texts).tolist() == texts


@given(st.sampled_from(sorted(DTYPES)), JSON_VALUES)
def test_any_json(datatype: str, value: Any) -> None:
    """Any JSON value becomes an array of the datatype, all finite, or our own error."""
    try:
        elements, shape = flatten("x", value)
        array = to_array("x", datatype, elements).reshape(shape)
    except InvalidInput:
        return
    assert array.dtype == DTYPES[datatype]
    assert array.dtype.kind != "f" or np.isfinite(array).all()
    if array.dtype.kind != "f":  # fractions are rounded to what their datatype can hold
        assert array.tolist() == value
