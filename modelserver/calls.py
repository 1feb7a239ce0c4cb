"""What requests want from a model: calls, made of parts that can be joined to batches."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from modelserver.errors import ClientGone, DeadlineExceeded, ServingError

Arrays = Mapping[str, np.ndarray]


class Part:
    """Rows of one call that run together.

    Args:
        arrays: an array for each input.
        rows: how many rows they have.
        key: parts with equal keys can share a batch, joined along the first axis; None: alone.
    """

    __slots__ = ("arrays", "call", "key", "outputs", "rows")

    call: "Call"
    outputs: Arrays

    def __init__(self, arrays: Arrays, rows: int, key: Hashable = None) -> None:
        self.arrays = arrays
        self.rows = rows
        self.key = key


class Call:
    """What one request wants from a model; done when all parts have outputs, or with an error.

    Args:
        parts: at least one; none has more rows than a batch.
        deadline: when the answer is of no use any more, in seconds of the batcher's clock.
        is_gone: asked before the call runs; True drops it, because nobody waits any more.
    """

    __slots__ = (
        "callback",
        "deadline",
        "done",
        "ended",
        "error",
        "is_gone",
        "left",
        "parts",
        "queued",
        "rows",
        "started",
    )

    def __init__(
        self,
        parts: Sequence[Part],
        deadline: float = math.inf,
        is_gone: Callable[[], bool] | None = None,
    ) -> None:
        self.parts = parts
        self.deadline = deadline
        self.is_gone = is_gone
        self.done = False
        self.error: Exception | None = None
        self.queued = self.started = self.ended = 0.0
        self.left = len(parts)  # that have no outputs yet
        self.rows = sum([part.rows for part in parts])
        self.callback: Callable[[], object] | None = None

    def end(self, error: Exception | None, now: float) -> None:
        """Be done, with or without an error."""
        self.done, self.error, self.ended = True, error, now
        if isinstance(error, ServingError):
            # Its frames hold the batch, and through that this call. An error that is not meant for
            # callers keeps them: the log says where it was raised.
            error.__traceback__ = error.__cause__ = error.__context__ = None
        # Parts that were queued know their call: the circle would be left to Python's collector of
        # garbage, which stops the whole process while it looks.
        self.parts = ()

    def no_use(self, now: float) -> ServingError | None:
        """Why it is not worth running any more, if so."""
        if self.deadline <= now:
            return too_late()
        if self.is_gone and self.is_gone():
            return ClientGone("the connection was closed")
        return None


def too_late() -> DeadlineExceeded:
    """The error of a call whose deadline passed before it ran."""
    return DeadlineExceeded("the time for this request ran out before the model was free for it")


def join(batch: Sequence[Part]) -> Arrays:
    """Put the arrays of several parts one after the other: [n, ...], [m, ...] -> [n + m, ...]."""
    if len(batch) == 1:
        return batch[0].arrays
    return {name: np.concatenate([part.arrays[name] for part in batch]) for name in batch[0].arrays}


def hand_out(batch: Sequence[Part], outputs: Arrays) -> None:
    """Give each part its rows of the outputs."""
    if len(batch) == 1:
        batch[0].outputs = outputs
        return
    start = 0
    for part in batch:
        end = start + part.rows
        part.outputs = {name: array[start:end] for name, array in outputs.items()}
        start = end
