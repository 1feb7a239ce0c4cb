"""Memory that requests take turns in."""

import threading

import pytest

from modelserver.memory_budget import MemoryBudget

WAIT_SECONDS = 20  # how long a thread may take to get somewhere; never waited for in full


def in_thread(budget: MemoryBudget, count: int, leave: threading.Event) -> threading.Event:
    """Hold memory in another thread until told to leave; returns what is set once it has it."""
    got = threading.Event()

    def work() -> None:
        with budget.hold(count):
            got.set()
            leave.wait(WAIT_SECONDS)

    threading.Thread(target=work, daemon=True).start()
    return got


def test_what_fits_goes_at_once() -> None:
    """Work that fits beside other work does not wait for it."""
    budget, leave = MemoryBudget(100), threading.Event()
    assert in_thread(budget, 60, leave).wait(WAIT_SECONDS)
    assert in_thread(budget, 40, leave).wait(WAIT_SECONDS)
    leave.set()


def test_what_does_not_fit_waits() -> None:
    """Work that does not fit begins when enough of the rest has ended."""
    budget, leave = MemoryBudget(100), threading.Event()
    assert in_thread(budget, 60, leave).wait(WAIT_SECONDS)
    second = in_thread(budget, 41, threading.Event())
    assert not second.wait(0.05)
    leave.set()
    assert second.wait(WAIT_SECONDS)


def test_small_work_does_not_overtake_large() -> None:
    """Who waits for much is not passed by those who need little, or would wait for ever."""
    budget, first_leaves, large_leaves = MemoryBudget(100), threading.Event(), threading.Event()
    assert in_thread(budget, 50, first_leaves).wait(WAIT_SECONDS)
    large = in_thread(budget, 100, large_leaves)
    assert not large.wait(0.05)
    small = in_thread(budget, 1, threading.Event())
    assert not small.wait(0.05)
    first_leaves.set()
    assert large.wait(WAIT_SECONDS)
    assert not small.is_set()
    large_leaves.set()
    assert small.wait(WAIT_SECONDS)


def test_memory_comes_back_after_an_error() -> None:
    """An exception in the block gives the memory back."""
    budget = MemoryBudget(100)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), budget.hold(100):
            _ = 1 / 0
