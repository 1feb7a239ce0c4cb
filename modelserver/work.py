"""What a request asks of a model: rows or tensors turned into parts that can run in batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver.calls import Arrays, Part
from modelserver.errors import ModelFailed
from modelserver.tasks import Row


@dataclass(frozen=True, slots=True)
class Work:
    """Everything left to do for a request that was read.

    Args:
        parts: to be run.
        encode: makes the answer once every part has its outputs: values for JSON, or a reply.
        timeout_seconds: how long the caller says it waits; 0 when it does not say.
    """

    parts: Sequence[Part]
    encode: Callable[[], Any]
    timeout_seconds: float = 0.0


class RowWork:
    """The rows of a request, whose outputs come back in the same order.

    Args:
        rows: as the task decoded them, at least one.
        most: most rows of a part; 0: the model has no rows, and each row is a whole call.
    """

    def __init__(self, rows: Sequence[Row], most: int) -> None:
        if not most:
            self._positions = [[i] for i in range(len(rows))]
            self.parts = [Part(_as_arrays(row), 1) for row in rows]
        else:
            self._positions = _batches(rows, most)
            self.parts = [_part(_stack([rows[i] for i in group])) for group in self._positions]
        self._has_rows = bool(most)

    def outputs(self) -> list[Row]:
        """A row of outputs for each row."""
        if not self._has_rows:
            return [part.outputs for part in self.parts]
        outputs: list[Row] = [{}] * len(self)
        for part, group in zip(self.parts, self._positions, strict=True):
            for position, i in enumerate(group):
                outputs[i] = {name: array[position] for name, array in part.outputs.items()}
        return outputs

    def __len__(self) -> int:
        """How many rows."""
        return sum(map(len, self._positions))


class TensorWork:
    """The tensors of a request, whose outputs are put together again.

    Args:
        arrays: one for each input; the first axis of all is equally long.
        most: most rows of a part; 0: they are one call that cannot be cut or joined.
    """

    def __init__(self, arrays: Arrays, most: int) -> None:
        count = len(next(iter(arrays.values()))) if most else 1
        if not most:
            self.parts = [Part(arrays, 1)]
        elif count <= most:
            self.parts = [_part(arrays)]
        else:
            self.parts = [
                _part({name: array[i : i + most] for name, array in arrays.items()})
                for i in range(0, count, most)
            ]

    def outputs(self) -> Arrays:
        """An array for each output."""
        if len(self.parts) == 1:
            return self.parts[0].outputs
        return _join([part.outputs for part in self.parts])


def _part(arrays: Arrays) -> Part:
    """Rows that may share a batch with others of equal shapes and types."""
    first = next(iter(arrays.values()))
    key = tuple((array.dtype.char, array.shape[1:]) for array in arrays.values())
    return Part(arrays, len(first), key)


def _batches(rows: Sequence[Row], most: int) -> list[list[int]]:
    """Positions of rows that can run together: same shapes, at most `most` of them."""
    if len(rows) == 1:
        return [[0]]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(tuple(np.shape(value) for value in row.values()), []).append(i)
    return [
        group[start : start + most]
        for group in groups.values()
        for start in range(0, len(group), most)
    ]


def _stack(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Join the values of each input on a new first axis: N rows of [...] -> [N, ...]."""
    return {
        name: np.array([row[name] for row in rows], dtype=np.object_)
        if isinstance(first, str)
        else _on_new_axis([row[name] for row in rows])
        for name, first in rows[0].items()
    }


def _on_new_axis(values: Sequence[Any]) -> np.ndarray:
    """Join values on a new first axis; a single one, such as a lone image, is not copied."""
    return np.stack(values) if len(values) > 1 else np.asarray(values[0])[np.newaxis]


def _join(parts: Sequence[Mapping[str, np.ndarray]]) -> Arrays:
    """Put the batches of one request together again."""
    try:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    except ValueError as error:
        raise ModelFailed(
            "the model answers batches of one request in different shapes; its artefact must say "
            "that it has no rows (batching.max_batch_rows 0)"
        ) from error


def _as_arrays(row: Row) -> dict[str, np.ndarray]:
    """Values of one call, whose scalars and bare texts are no arrays yet."""
    return {
        name: np.array(value, np.object_) if isinstance(value, str) else np.asarray(value)
        for name, value in row.items()
    }
