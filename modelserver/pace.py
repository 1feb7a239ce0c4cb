"""Learns how long a model takes for a batch, and how much of what it could do it has been doing."""

import math

_MEMORY = 0.98  # an observation counts half after 34 others
_SLOW_SECONDS = 0.05  # not the noise of a busy machine any more
_LOAD_SECONDS = 15.0  # about the time between two looks of an autoscaler

QUICK_SECONDS = 0.005
"""An event loop that stands still for so long harms nobody."""


class Pace:
    """Seconds for n rows as a line, a + b * n, fitted to the latest runs.

    A mean of seconds per row would be wrong by the factor that batching gains: runs of one row say
    little about a batch of 32. Until runs of different sizes were seen it is that mean, though.
    """

    def __init__(self) -> None:
        self.slowest = 0.0
        """Seconds of the slowest of the latest runs; it fades as they do."""
        self._weight = self._rows = self._seconds = self._squares = self._products = 0.0
        self._each = self._start = 0.0  # seconds for each row, and for each run beside its rows

    @property
    def is_known(self) -> bool:
        """Whether a run was observed."""
        return self._weight > 0

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one run."""
        self.slowest = max(seconds, self.slowest * _MEMORY)
        self._weight = self._weight * _MEMORY + 1
        self._rows = self._rows * _MEMORY + rows
        self._seconds = self._seconds * _MEMORY + seconds
        self._squares = self._squares * _MEMORY + rows * rows
        self._products = self._products * _MEMORY + rows * seconds
        self._each, self._start = self._fit()

    def predict(self, rows: int, batch_rows: int) -> float:
        """Seconds for so many rows, one after the other in batches; 0.0 before the first run.

        Args:
            rows: how many.
            batch_rows: rows of a full batch.
        """
        return rows * self._each + -(-rows // batch_rows) * self._start

    def is_quick(self, rows: int, batch_rows: int) -> bool:
        """Whether so many rows take so little that an event loop may wait for them.

        Not those of a model that was slow of late: what it takes may depend on what it is asked.
        """
        if not self.is_known or self.slowest > _SLOW_SECONDS:
            return False
        return self.predict(rows, batch_rows) < QUICK_SECONDS

    def _fit(self) -> tuple[float, float]:
        """The line through what was observed: b and a above."""
        spread = self._weight * self._squares - self._rows**2
        if spread > 1e-6 * self._squares:
            each = (self._weight * self._products - self._rows * self._seconds) / spread
            start = (self._seconds - each * self._rows) / self._weight
            if each >= 0 and start >= 0:
                return each, start
        return self._seconds / self._rows, 0.0


class Load:
    """The share of a model's capacity that its latest work has used, from 0 to 1.

    Every run counts with the seconds that its rows take in full batches, not with those that it
    took: a model that is always busy with small batches has room as long as they can grow. The
    mean forgets: what was a quarter of a minute ago counts for a third.

    Args:
        instances: how many batches run at a time.
    """

    def __init__(self, instances: int) -> None:
        self._instances = instances
        self._level = 0.0
        self._changed = 0.0

    def add(self, seconds: float, now: float) -> None:
        """Count work of so many seconds that ended now."""
        self._level = self._fade(now) + seconds / (_LOAD_SECONDS * self._instances)
        self._changed = now

    def read(self, now: float) -> float:
        """The share at this moment."""
        return min(1.0, self._fade(now))

    def _fade(self, now: float) -> float:
        return self._level * math.exp((self._changed - now) / _LOAD_SECONDS)
