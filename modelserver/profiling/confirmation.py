"""The knee, measured again by itself: what may be promised of it."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from modelserver.profiling.grid import Point, explore
from modelserver.profiling.knee import find_knee
from modelserver.profiling.load import Measurement
from modelserver.profiling.values import server_settings

RUNS = 5
"""The median of five later runs exceeds the largest of these five once in twelve times by chance
(the first three of ten must all be later ones); that of three would be exceeded once in five."""


def confirm_knee(
    points: Sequence[Point], p99_seconds: float, measured_again: Callable[[Point], Point]
) -> tuple[Point | None, list[Point]]:
    """Choose the knee by what holds when it is measured again.

    A point is chosen because it looked best in one short look, and of many the best is one that
    was lucky. So the chosen one is replaced by what more looks found, until it still is the choice.

    Args:
        points: what was measured.
        p99_seconds: the goal.
        measured_again: measures a point anew.

    Returns:
        The knee, None when nothing reaches the goal, and the points as they are known now.
    """
    known, confirmed = list(points), set[int]()
    while knee := find_knee(known, p99_seconds):
        place = known.index(knee)
        if place in confirmed:
            return knee, known
        known[place] = measured_again(knee)
        confirmed.add(place)
    return None, known


def measure_again(models: Path, point: Point, request: bytes, seconds: float) -> Point:
    """Measure a new server several times, with the very settings that the values file gets.

    Args:
        models: what it serves.
        point: settings and callers.
        request: what the callers send.
        seconds: for each run.

    Raises:
        TrialFailed: the server does not start.
        ConnectionError: it gave up on a caller.
    """
    callers = [point.load.callers] * RUNS
    runs = list(explore(models, server_settings(point), request, seconds, callers))
    return dataclasses.replace(
        point,
        load=summarise([run.load for run in runs]),
        cores=statistics.fmean(run.cores for run in runs),
        peak_bytes=max(run.peak_bytes for run in [*runs, point]),
        start_seconds=max(run.start_seconds for run in [*runs, point]),
    )


def summarise(loads: Sequence[Measurement]) -> Measurement:
    """What runs with the same callers promise: the usual throughput, and the largest p99."""
    return Measurement(
        loads[0].callers,
        statistics.median(load.requests_per_second for load in loads),
        statistics.median(load.p50_seconds for load in loads),
        max(load.p99_seconds for load in loads),
        sum(load.refused for load in loads),
    )
