"""A condition for pools of threads: those that worked last, work next."""

import threading
from collections import deque
from typing import Any


class NewestFirst(threading.Condition):
    """Wakes the thread that has waited for the shortest time; Python's own wakes the oldest."""

    _waiters: deque[Any]  # Python's own, the oldest first

    def notify(self, n: int = 1) -> None:
        """Wake that many threads; the lock is held."""
        for _ in range(n):
            self._waiters.rotate(1)
            super().notify()
