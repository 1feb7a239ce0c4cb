"""Orders to load and unload, when a worker starts at that very moment."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from modelserver.errors import NotFound
from modelserver.workers import orders
from modelserver.workers.fleet import Fleet


class Worker:
    """Answers every order at once, and remembers it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.obeys = False
        self.orders: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.during: Callable[[], object] = lambda: None

    def ask(self, order: str, *arguments: Any) -> Future[Any]:
        self.orders.append((order, *arguments))
        during, self.during = self.during, lambda: None
        during()
        answer: Future[Any] = Future()
        if self.error:
            answer.set_exception(self.error)
        else:
            answer.set_result(None)
        return answer


@pytest.fixture
def workers() -> list[Worker]:
    """One that takes connections, and one that has just loaded."""
    return [Worker(0), Worker(1)]


@pytest.fixture
def fleet(workers: list[Worker]) -> Fleet:
    fleet = Fleet(2)
    for worker in workers:
        fleet.add(worker)  # type: ignore[arg-type]
    fleet.open(workers[0])  # type: ignore[arg-type]
    workers[0].orders.clear()
    return fleet


def test_told_when_it_opens(fleet: Fleet, workers: list[Worker]) -> None:
    """A worker that opens while the others unload a model is told of it."""
    old, new = workers
    old.during = lambda: fleet.open(new)  # type: ignore[arg-type]
    fleet.unload("a")
    assert old.orders == [(orders.UNLOAD, "a")]
    assert new.orders[0] == (orders.OPEN, ["a"])


@pytest.mark.parametrize("order", [orders.LOAD, orders.UNLOAD])
def test_told_while_it_opens(fleet: Fleet, workers: list[Worker], order: str) -> None:
    """A worker that was told to open, and has not said yet that it is, gets what follows."""
    old, new = workers
    fleet.open(new)  # type: ignore[arg-type]
    getattr(fleet, order)("a")
    assert old.orders == [(order, "a")]
    assert new.orders == [(orders.OPEN, []), (order, "a")]


def test_no_order_before_it_opens(fleet: Fleet, workers: list[Worker]) -> None:
    """A worker that still loads its models is left alone."""
    fleet.unload("a")
    assert workers[1].orders == []


@pytest.mark.parametrize("before", [[], ["a"]])
def test_refused_order(fleet: Fleet, workers: list[Worker], before: list[str]) -> None:
    """What could not be unloaded is not kept from later workers, unless it was before."""
    for name in before:
        fleet.unload(name)
    workers[0].error = NotFound("a")
    with pytest.raises(NotFound):
        fleet.unload("a")
    assert sorted(fleet.unloaded) == before
