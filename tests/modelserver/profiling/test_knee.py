"""Where to run, and the values file that does it."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest

from modelserver.profiling.drawing import draw
from modelserver.profiling.grid import Point, candidates
from modelserver.profiling.knee import find_knee
from modelserver.profiling.load import Measurement
from modelserver.profiling.values import helm_values

MEBIBYTE = 2**20


def point(callers: int, rate: float, p99: float, refused: int = 0, **more: object) -> Point:
    """One measurement."""
    settings = {"http_server": "waitress", "model_threads": 1, **more}
    load = Measurement(callers, rate, p99 / 2, p99, refused)
    return Point(settings, load, cores=0.91, peak_bytes=150 * MEBIBYTE, start_seconds=2.0)


CASES: dict[str, tuple[Sequence[Point], tuple[int, float] | None]] = {
    "the most within the goal": ([point(1, 100, 0.01), point(8, 500, 0.04)], (8, 500)),
    "more is too slow": ([point(8, 500, 0.04), point(16, 900, 0.06)], (8, 500)),
    "about as much with fewer callers": ([point(8, 480, 0.02), point(32, 500, 0.04)], (8, 480)),
    "clearly more with more callers": ([point(8, 400, 0.02), point(32, 500, 0.04)], (32, 500)),
    "refusals do not count": ([point(8, 400, 0.02), point(32, 900, 0.01, 3)], (8, 400)),
    "as many callers, lower p99": ([point(8, 500, 0.03), point(8, 490, 0.02)], (8, 490)),
    "at the goal": ([point(8, 500, 0.05)], (8, 500)),
    "none": ([point(1, 10, 0.2)], None),
    "nothing was answered": ([point(1, 0, 0.02)], None),
}


@pytest.mark.parametrize("case", CASES)
def test_knee(case: str) -> None:
    """The most requests a second within the goal, at the fewest callers that get about that."""
    points, expected = CASES[case]
    knee = find_knee(points, p99_seconds=0.05)
    assert (knee and (knee.load.callers, knee.load.requests_per_second)) == expected


def test_values() -> None:
    """The file requests what was used with room, and sets what was found."""
    text = helm_values(point(16, 800, 0.02, max_batch_rows=32), 0.05, "sum version 1\na machine")
    lines = [line.strip() for line in text.splitlines()]
    for line in (
        *('requests: {cpu: "1", memory: 256Mi}', "limits: {memory: 256Mi}"),
        *("httpServer: waitress", "maxBatchRows: 32", "maxInflightRequests: 64"),
        *("modelThreads: 1", "targetInflight: 11", "loadTimeoutSeconds: 30"),
        *("# sum version 1", "# a machine"),
    ):
        assert line in lines


def test_candidates_fit_the_model() -> None:
    """One CPU and a model without rows leave nothing to choose but the HTTP server."""
    for settings in candidates(cpus=1, max_batch_rows=0):
        assert (settings["model_threads"], settings["max_batch_rows"]) == (1, 1)
    both = {(s["model_threads"], s["max_batch_rows"]) for s in candidates(4, 32)}
    assert both == {(1, 1), (1, 32), (4, 1), (4, 32)}


@pytest.mark.parametrize("found", [True, False])
def test_drawing(found: bool) -> None:
    """The picture is well formed, shows each measurement, and rings the knee if there is one."""
    points = [point(1, 100, 0.01), point(8, 500, 0.04), point(8, 450, 0.03, http_server="<&>")]
    svg = draw(points, points[1] if found else None, 0.05, "a <title> & more")
    tree = ElementTree.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f"{name}circle")) == 3 + found
    assert len(tree.findall(f"{name}polyline")) == 2


@pytest.mark.parametrize("rate", [100, 0])
def test_drawing_of_one_point(rate: float) -> None:
    """A single measurement at the goal itself has no scale to divide by; it is drawn too.

    So is one in which everything was refused.
    """
    ElementTree.fromstring(draw([point(1, rate, 0.05)], None, 0.05, "one"))
