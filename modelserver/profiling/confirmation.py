"""The knee, measured again by itself: what may be promised of it."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from modelserver.profiling.grid import WARM_UP_SHARE, Point
from modelserver.profiling.knee import find_knee
from modelserver.profiling.load import Measurement, measure
from modelserver.profiling.trial import Trial
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
    warm_up = seconds * WARM_UP_SHARE
    with Trial(models, server_settings(point)) as trial:
        before = trial.cpu_seconds()
        loads = [
            measure(*trial.address, request, point.load.callers, seconds, warm_up)
            for _ in range(RUNS)
        ]
        cores = (trial.cpu_seconds() - before) / (RUNS * (seconds + warm_up))
        peak, start = trial.peak_bytes(), trial.load_seconds
    return dataclasses.replace(
        point,
        load=summarise(loads),
        cores=cores,
        peak_bytes=max(peak, point.peak_bytes),
        start_seconds=max(start, point.start_seconds),
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
