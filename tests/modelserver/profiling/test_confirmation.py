"""The knee is measured again before anything is promised of it."""

import dataclasses
from collections.abc import Callable

from modelserver.profiling.confirmation import confirm_knee, summarise
from modelserver.profiling.grid import Point
from modelserver.profiling.load import Measurement

GOAL = 0.05


def point(callers: int, rate: float, p99: float) -> Point:
    """One measurement."""
    load = Measurement(callers, rate, p99 / 2, p99, refused=0)
    return Point({"model_threads": 1}, load, cores=1.0, peak_bytes=1, start_seconds=1.0)


def always(p99: float, asked: list[int]) -> Callable[[Point], Point]:
    """A second look that finds a p99, whatever is looked at."""

    def again(seen: Point) -> Point:
        asked.append(seen.load.callers)
        return dataclasses.replace(seen, load=dataclasses.replace(seen.load, p99_seconds=p99))

    return again


def test_what_holds_is_the_knee() -> None:
    """The best point is measured again once, and reported as it was found then."""
    asked: list[int] = []
    knee, points = confirm_knee(
        [point(1, 100, 0.01), point(8, 500, 0.03)], GOAL, always(0.04, asked)
    )
    assert asked == [8]
    assert knee is not None
    assert knee.load == Measurement(8, 500, 0.015, 0.04, 0)
    assert points == [point(1, 100, 0.01), knee]


def test_what_was_lucky_is_not() -> None:
    """A point that misses the goal in the second look makes way for the next one."""
    slow = {8: 0.06, 4: 0.02}
    asked: list[int] = []
    knee, points = confirm_knee(
        [point(4, 300, 0.01), point(8, 500, 0.03)],
        GOAL,
        lambda seen: always(slow[seen.load.callers], asked)(seen),
    )
    assert asked == [8, 4]
    assert knee is not None
    assert (knee.load.callers, knee.load.p99_seconds) == (4, 0.02)
    assert [each.load.p99_seconds for each in points] == [0.02, 0.06]


def test_nothing_holds() -> None:
    """When no point holds there is no knee, and each was measured again once."""
    asked: list[int] = []
    knee, points = confirm_knee(
        [point(4, 300, 0.01), point(8, 500, 0.03)], GOAL, always(1.0, asked)
    )
    assert knee is None
    assert asked == [8, 4]
    assert [each.load.p99_seconds for each in points] == [1.0, 1.0]


def test_summary() -> None:
    """Throughput and p50 are the usual ones; p99 is the largest, and every refusal counts."""
    loads = [
        Measurement(8, rate, p50, p99, refused)
        for rate, p50, p99, refused in ((10, 0.1, 0.2, 0), (30, 0.3, 0.9, 1), (20, 0.2, 0.3, 2))
    ]
    assert summarise(loads) == Measurement(8, 20, 0.2, 0.9, 3)
