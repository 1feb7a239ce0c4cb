"""The knee: the most work within the goal, at the least cost."""

from collections.abc import Sequence

from modelserver.profiling.grid import Point

WITHIN = 0.95
"""How much of the best throughput is as good as the best: less than runs differ by chance."""


def find_knee(points: Sequence[Point], p99_seconds: float) -> Point | None:
    """Choose the point to run at.

    Of all points within the goal, with answers and without refusals, those with about the most
    requests a second; of these the one with the fewest callers, which leaves the most room, then
    the lowest p99.

    Args:
        points: what was measured.
        p99_seconds: the goal.

    Returns:
        The point; None when none reaches the goal.
    """
    good = [p for p in points if p.load.p99_seconds <= p99_seconds and not p.load.refused]
    most = max((point.load.requests_per_second for point in good), default=0.0)
    if not most:  # what answered nothing was not within the goal, but shorter than an answer
        return None
    best = [point for point in good if point.load.requests_per_second >= WITHIN * most]
    return min(best, key=lambda point: (point.load.callers, point.load.p99_seconds))
