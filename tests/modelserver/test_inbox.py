"""The main thread gets every signal and every message, however they come."""

import os
import queue
import signal
import threading
from collections.abc import Iterator

import pytest

from modelserver.inbox import Inbox

MANY = 20_000
MORE_THAN_A_PIPE_HOLDS = 100_000


@pytest.fixture
def inbox() -> Iterator[Inbox[int]]:
    """An inbox that gets SIGUSR1."""
    handler, wakeup = signal.getsignal(signal.SIGUSR1), signal.set_wakeup_fd(-1)
    inbox = Inbox[int]()
    inbox.listen([signal.SIGUSR1])
    yield inbox
    signal.signal(signal.SIGUSR1, handler)
    signal.set_wakeup_fd(wakeup)


def test_order(inbox: Inbox[int]) -> None:
    """Messages of threads and signals come in their order."""
    inbox.put(1)
    signal.raise_signal(signal.SIGUSR1)
    threading.Thread(target=inbox.put, args=[2]).start()
    assert [inbox.get(), inbox.get(), inbox.get()] == [1, signal.SIGUSR1, 2]


def test_nothing_comes(inbox: Inbox[int]) -> None:
    """A wait ends with its time, also when there was none to begin with."""
    for seconds in (0.01, 0.0):
        with pytest.raises(queue.Empty):
            inbox.get(seconds)


def test_more_than_the_pipe_holds(inbox: Inbox[int]) -> None:
    """What nobody has taken yet is kept, although the wake-ups do not fit."""
    for number in range(MORE_THAN_A_PIPE_HOLDS):
        inbox.put(number)
    taken = [inbox.get() for _ in range(MORE_THAN_A_PIPE_HOLDS)]
    assert taken == list(range(MORE_THAN_A_PIPE_HOLDS))
    with pytest.raises(queue.Empty):
        inbox.get(0.01)


def test_a_signal_at_any_moment(inbox: Inbox[int]) -> None:
    """A signal that comes just as the main thread begins to wait wakes it.

    With `queue.SimpleQueue` a few of a thousand were missed.
    """
    waiting = threading.Semaphore(0)

    def send() -> None:
        for _ in range(MANY):
            waiting.acquire()
            os.kill(os.getpid(), signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(MANY):
        waiting.release()
        assert inbox.get(30) == signal.SIGUSR1
    sender.join()
