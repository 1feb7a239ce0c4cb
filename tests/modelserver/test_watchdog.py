"""Deadlines that are watched in a thread."""

import threading
import time

from modelserver.watchdog import Watchdog

WAIT_SECONDS = 20  # how long a thread may take to get somewhere; never waited for in full


def test_ends_at_the_deadline() -> None:
    """What is overdue is ended, and not before its time."""
    watchdog, ended = Watchdog(), threading.Event()
    deadline = time.perf_counter() + 0.05
    watchdog.watch(deadline, ended.set)
    assert ended.wait(WAIT_SECONDS)
    assert time.perf_counter() >= deadline


def test_an_earlier_deadline_is_not_missed() -> None:
    """A short deadline counts while the thread waits for a long one."""
    watchdog, ended = Watchdog(), threading.Event()
    late = watchdog.watch(time.perf_counter() + 3600, ended.clear)
    watchdog.watch(time.perf_counter() + 0.01, ended.set)
    assert ended.wait(WAIT_SECONDS)
    watchdog.leave(late)


def test_what_left_is_not_ended() -> None:
    """Work that came back in time is left alone."""
    now, ended, other = [0.0], threading.Event(), threading.Event()
    watchdog = Watchdog(clock=lambda: now[0])
    watchdog.leave(watchdog.watch(0.01, ended.set))
    now[0] = 1.0
    watchdog.watch(0.005, other.set)
    assert other.wait(WAIT_SECONDS)
    assert not ended.is_set()


def test_one_thread_for_all() -> None:
    """However much is watched, one thread does it."""
    watchdog = Watchdog()
    before = set(threading.enumerate())  # those of other tests may end meanwhile
    numbers = [watchdog.watch(time.perf_counter() + 3600, int) for _ in range(100)]
    assert len(set(threading.enumerate()) - before) == 1
    for number in numbers:
        watchdog.leave(number)
