"""A share of memory that requests take turns in, so that many large ones cannot add up."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """Lets work begin when its memory fits beside the memory of work already begun.

    Args:
        most_bytes: what all of it together may take. The caller refuses what alone needs more.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._held_bytes = 0
        self._released = threading.Condition()
        # Whoever waits holds this, so that small work cannot overtake large work for ever.
        self._turn = threading.Lock()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Take `count` bytes, at most `most_bytes`, for the `with` block; waits until they fit."""
        with self._turn, self._released:
            self._released.wait_for(lambda: self._held_bytes + count <= self.most_bytes)
            self._held_bytes += count
        try:
            yield
        finally:
            with self._released:
                self._held_bytes -= count
                self._released.notify_all()
