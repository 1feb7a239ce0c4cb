"""The classification extension: the best classes of an output, as "value:index[:label]"."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def classify(array: np.ndarray, count: int, labels: Sequence[Any], has_rows: bool) -> np.ndarray:
    """Rank the elements of each row, or of the whole tensor where the model has no rows.

    Args:
        array: [N, ...] numbers, or [...] without rows; C of them for each row.
        count: how many classes; more than C mean all.
        labels: names by index; may be empty.
        has_rows: whether the first axis counts rows.

    Returns:
        Texts [N, min(count, C)], or [min(count, C)] without rows; the highest value first, of
        equal ones the lower index; NaN is the lowest.
    """
    rows = array.reshape(len(array), -1) if has_rows else array.reshape(1, -1)
    if rows.dtype.kind == "b":
        rows = rows.view(np.uint8)
    texts = [[_name(row[i], i, labels) for i in _best(row, count)] for row in rows]
    found = np.array(texts, np.object_).reshape(len(rows), -1)
    return found if has_rows else found[0]


def _best(row: np.ndarray, count: int) -> Sequence[int]:
    """The positions of the highest values [C], best first."""
    keys = np.where(np.isnan(row), -np.inf, row) if row.dtype.kind == "f" else row
    # Stable from the end to the beginning, because unsigned numbers have no negative to sort by.
    order = len(row) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]
    best: list[int] = order[:count].tolist()
    return best


def _name(value: np.generic, index: int, labels: Sequence[Any]) -> str:
    return f"{value!s}:{index}" + (f":{labels[index]}" if index < len(labels) else "")
