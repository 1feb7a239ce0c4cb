"""`benchmarks/instances.py`: which divisions it compares, and that its parts work at all."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from modelserver.artefact import Artefact
from tests.conftest import ROOT
from tests.modelserver.image_samples import publish_corners

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import instances

    yield instances
    for name in ("instances", "image_overhead", "machine", "models", "contestants"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("cpus", "ways"),
    [
        pytest.param(1, [(1, 1, 1)], id="one way to use one CPU"),
        pytest.param(2, [(1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2), (2, 1, 1)], id="two"),
        pytest.param(
            6,
            [(1, 1, 1), (1, 1, 6), (1, 2, 3), (1, 3, 2), (1, 6, 1), (1, 6, 6), (6, 1, 1)],
            id="even divisions only",
        ),
    ],
)
def test_ways(instances: ModuleType, cpus: int, ways: list[tuple[int, int, int]]) -> None:
    """One CPU's worth, every even division, too many of everything, and a worker for each CPU."""
    assert instances.ways(cpus) == ways


def test_measuring(instances: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A way of dividing becomes one row, with a rate and a p99 for each number of clients."""
    monkeypatch.setattr(instances, "available_cpus", lambda: 1)
    monkeypatch.setattr(instances, "WARM_UP_SECONDS", 0.0)
    found = instances.compare(Artefact.open(publish_corners(tmp_path)), seconds=0.3, rounds=1)
    (row,) = instances.rows("corners", found)
    _, name, way, rates, tails, _ = (cell.strip() for cell in row.split("|"))
    assert (name, way) == ("corners", "1 x 1 x 1")
    assert all(float(rate.replace(",", "")) > 0 for rate in rates.split(" / "))
    assert len(rates.split(" / ")) == len(tails.split(" / ")) == len(instances.CLIENTS)
