"""What one model has done since it was loaded: counts, and durations in nanoseconds."""

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """How often something happened and how long it took in all."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        """Count `count` times that took `seconds` together."""
        self.count += count
        self.ns += int(seconds * 1e9)


@dataclass(frozen=True, slots=True)
class Stages:
    """What one scored request took.

    Args:
        rows: rows scored; 1 for a model that does not count rows.
        decode_seconds: reading and checking the input.
        queue_seconds: waiting for the model.
        inference_seconds: running it, together with others where they share a batch.
        encode_seconds: writing the answer.
    """

    rows: int
    decode_seconds: float
    queue_seconds: float
    inference_seconds: float
    encode_seconds: float


@dataclass(slots=True)
class Counts:
    """Everything counted of one model.

    Args:
        rows: rows scored.
        last_scored_ms: milliseconds since the epoch; 0 before the first request.
        succeeded: requests answered with a score.
        failed: requests that found the model and got an error.
        decode: the stages of scored requests, and so on.
        queue: see decode.
        inference: see decode.
        encode: see decode.
        batches: rows of a batch -> runs of the model with that many.
    """

    rows: int = 0
    last_scored_ms: int = 0
    succeeded: Tally = field(default_factory=Tally)
    failed: Tally = field(default_factory=Tally)
    decode: Tally = field(default_factory=Tally)
    queue: Tally = field(default_factory=Tally)
    inference: Tally = field(default_factory=Tally)
    encode: Tally = field(default_factory=Tally)
    batches: dict[int, Tally] = field(default_factory=dict)


class Statistics:
    """Counts of one model; safe to use from any thread.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts = Counts()
        self._lock = threading.Lock()

    def ran(self, rows: int, seconds: float) -> None:
        """Count one run of the model with a batch of that many rows."""
        with self._lock:
            self._counts.batches.setdefault(rows, Tally()).add(seconds)

    def scored(self, stages: Stages) -> None:
        """Count the stages of one scored request."""
        with self._lock:
            counts = self._counts
            counts.rows += stages.rows
            counts.last_scored_ms = int(self._clock() * 1000)
            counts.decode.add(stages.decode_seconds)
            counts.queue.add(stages.queue_seconds)
            counts.inference.add(stages.inference_seconds)
            counts.encode.add(stages.encode_seconds)

    def answered(self, succeeded: bool, seconds: float) -> None:
        """Count one request from its arrival to its answer."""
        with self._lock:
            (self._counts.succeeded if succeeded else self._counts.failed).add(seconds)

    def read(self) -> Counts:
        """A copy of all counts, taken at one moment."""
        with self._lock:
            return copy.deepcopy(self._counts)
