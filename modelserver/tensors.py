"""Turns decoded JSON into arrays, checking every element against the tensor's datatype."""

from itertools import chain
from typing import Any

import numpy as np

from modelserver.datatypes import DTYPES
from modelserver.errors import InvalidInput
from modelserver.jsontext import show

MOST_AXES = 32
"""What every numpy can hold."""


def flatten(name: str, value: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Take nested lists apart.

    Args:
        name: of the tensor, for the error.
        value: a list of lists of … of elements, all of equal length; or one bare element.

    Returns:
        The elements in row-major order, and their shape; () for a bare element.

    Raises:
        InvalidInput: lists at the same depth differ in length, or stand beside elements; or they
            are nested too deep for a tensor.
    """
    if not isinstance(value, list):
        return [value], ()
    shape = [len(value)]
    while value and type(value[0]) is list:
        lengths = {len(row) if type(row) is list else -1 for row in value}
        if len(lengths) > 1:
            raise InvalidInput(f"{name}: lists of different lengths, so they form no tensor")
        shape.append(lengths.pop())
        if len(shape) > MOST_AXES:
            raise InvalidInput(f"{name}: lists are nested more than {MOST_AXES} deep")
        value = list(chain.from_iterable(value))
    return value, tuple(shape)


def to_array(name: str, datatype: str, elements: list[Any]) -> np.ndarray:
    """Convert elements to a flat array, strictly.

    Args:
        name: of the tensor, for the error.
        datatype: of the tensor, such as FP32; BYTES takes texts.
        elements: decoded JSON values.

    Raises:
        InvalidInput: an element has another JSON type (3.0 is no whole number and true is no
            number), or does not fit the datatype.
    """
    dtype = DTYPES[datatype]
    types, expected = _ELEMENTS[dtype.kind]
    wrong = set(map(type, elements)) - types
    if wrong:
        first = next(element for element in elements if type(element) in wrong)
        raise InvalidInput(f"{name}: expected {datatype}, so {expected}, got {show(first)}")
    if dtype.kind in "iu" and elements:
        limits = np.iinfo(dtype.type)  # type: ignore[type-var]
        for extreme in (min(elements), max(elements)):
            if not limits.min <= extreme <= limits.max:
                raise InvalidInput(f"{name}: {extreme} is out of range for {datatype}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(elements, dtype=dtype)
        finite = dtype.kind != "f" or all_finite(array)
    except OverflowError:  # a whole number that no fraction can hold
        finite = False
    if not finite:
        raise InvalidInput(f"{name}: a number is out of range for {datatype}")
    return array


def all_finite(array: np.ndarray) -> bool:
    """Whether a float array holds neither NaN nor infinity."""
    # For the few numbers of most requests `.all()` takes three times as long as the test itself.
    return b"\0" not in np.isfinite(array).tobytes()


_ELEMENTS: dict[str, tuple[set[type], str]] = {
    "b": ({bool}, "true or false"),
    "i": ({int}, "whole numbers"),
    "u": ({int}, "whole numbers"),
    "f": ({int, float}, "numbers"),
    "O": ({str}, "texts"),
}
"""Kind of numpy dtype to the JSON types it takes."""
