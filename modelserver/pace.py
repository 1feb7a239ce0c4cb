"""Learns how long a model takes for a batch, to tell callers in advance that they wait in vain."""

_MEMORY = 0.98  # an observation counts half after 34 others


class Pace:
    """Seconds for n rows as a line, a + b * n, fitted to the latest runs.

    A mean of seconds per row would be wrong by the factor that batching gains: runs of one row say
    little about a batch of 32. Until runs of different sizes were seen it is that mean, though.
    """

    def __init__(self) -> None:
        self._weight = self._rows = self._seconds = self._squares = self._products = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from one run."""
        self._weight = self._weight * _MEMORY + 1
        self._rows = self._rows * _MEMORY + rows
        self._seconds = self._seconds * _MEMORY + seconds
        self._squares = self._squares * _MEMORY + rows * rows
        self._products = self._products * _MEMORY + rows * seconds

    def predict(self, rows: int, batch_rows: int) -> float:
        """Seconds for so many rows, one after the other in batches; 0.0 before the first run.

        Args:
            rows: how many.
            batch_rows: rows of a full batch.
        """
        if not self._weight:
            return 0.0
        each, start = self._line()
        return rows * each + -(-rows // batch_rows) * start

    def _line(self) -> tuple[float, float]:
        """Seconds for each row, and for each run beside its rows."""
        spread = self._weight * self._squares - self._rows**2
        if spread > 1e-6 * self._squares:
            each = (self._weight * self._products - self._rows * self._seconds) / spread
            start = (self._seconds - each * self._rows) / self._weight
            if each >= 0 and start >= 0:
                return each, start
        return self._seconds / self._rows, 0.0
