"""Ends what takes longer than anybody waits for it, such as a model that never comes back."""

import math
import threading
import time
from collections.abc import Callable

_LINGER_SECONDS = 10.0  # how long the thread stays with nothing to watch: starting one takes longer
# than a small model's run


class Watchdog:
    """Watches deadlines in one thread, which is there while there is something to watch.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._watched: dict[int, tuple[float, Callable[[], object]]] = {}
        self._count = 0
        self._looks_at = math.inf  # when the thread looks next
        self._alive = False

    def watch(self, deadline: float, end: Callable[[], object]) -> int:
        """Have a function called, in another thread, once the clock reaches the deadline.

        Returns:
            A number to `leave` with, as soon as there is nothing to end any more.
        """
        with self._lock:
            self._count += 1
            self._watched[self._count] = (deadline, end)
            if not self._alive:
                self._alive = True
                threading.Thread(target=self._work, name="watchdog", daemon=True).start()
            elif deadline < self._looks_at:
                self._changed.notify()
            return self._count

    def leave(self, number: int) -> None:
        """Forget a deadline; its function is not called from now on."""
        with self._lock:
            self._watched.pop(number, None)

    def _work(self) -> None:
        with self._lock:
            seen = -1
            while self._watched or self._count != seen:
                seen = self._count
                now = self._clock()
                self._end_overdue(now)
                due = min((deadline for deadline, _ in self._watched.values()), default=math.inf)
                self._looks_at = min(due, now + _LINGER_SECONDS)
                self._changed.wait(self._looks_at - now)
            self._alive = False

    def _end_overdue(self, now: float) -> None:
        for number, (deadline, end) in list(self._watched.items()):
            if deadline <= now:
                del self._watched[number]
                end()
