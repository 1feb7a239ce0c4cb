"""Turns the elements of a tensor one by one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from modelserver.errors import RequestError


def map_elements(array: np.ndarray, convert: Callable[[Any], Any]) -> list[Any]:
    """Convert every element in order; an error names the position of the element at fault."""
    converted = []
    for position, element in np.ndenumerate(array):
        try:
            converted.append(convert(element))
        except RequestError as error:
            where = "".join(f"[{index}]" for index in position)
            raise type(error)(f"{where}: {error}") from error
    return converted
