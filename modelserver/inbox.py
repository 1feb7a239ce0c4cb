"""What a main thread waits for: signals, and what other threads report."""

import contextlib
import os
import queue
import select
import signal
import time
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

_T = TypeVar("_T")

_READ_BYTES = 4096


class Inbox(Generic[_T]):
    """A queue that signals fill too, and none of them is missed.

    Python runs a signal's handler between two steps of the main thread. When the signal comes after
    the last step before `queue.get` blocks, the handler waits until something else ends the wait:
    a server did not stop on SIGTERM. So the wait is for a pipe, into which the interpreter writes
    the moment a signal arrives, whatever the main thread is doing.
    """

    def __init__(self) -> None:
        self._messages: deque[_T | signal.Signals] = deque()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)

    def listen(self, numbers: Iterable[signal.Signals]) -> None:
        """Get these signals from now on; needs the main thread."""
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda caught, _: self.put(signal.Signals(caught)))

    def put(self, message: _T | signal.Signals) -> None:
        """Add a message; from any thread, and from a signal handler."""
        self._messages.append(message)
        with contextlib.suppress(BlockingIOError):  # it is full of wake-ups, one of which will do
            os.write(self._writing, b"\0")

    def get(self, timeout_seconds: float | None = None) -> _T | signal.Signals:
        """Wait for a message.

        Raises:
            queue.Empty: none came in this time.
        """
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not self._messages:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._reading], [], [], left)[0]:
                raise queue.Empty
            os.read(self._reading, _READ_BYTES)
        return self._messages.popleft()
