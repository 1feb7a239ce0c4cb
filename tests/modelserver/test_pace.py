"""What a model's past says: how long the next rows take, and how busy it is."""

import random

import pytest

from modelserver.pace import Load, Pace


def test_nothing_known() -> None:
    """Before the first run nobody is turned away."""
    assert Pace().predict(100, 32) == 0.0


def test_line_is_found() -> None:
    """Runs of different sizes tell what a run costs and what a row costs."""
    pace, chance = Pace(), random.Random(0)
    for _ in range(200):
        rows = chance.randint(1, 32)
        pace.observe(rows, 0.010 + 0.002 * rows)
    assert pace.predict(1, 32) == pytest.approx(0.012)
    assert pace.predict(32, 32) == pytest.approx(0.074)
    assert pace.predict(64, 32) == pytest.approx(0.148)


def test_one_size_gives_the_mean() -> None:
    """As long as all runs had one size, rows are taken to cost the same in any batch."""
    pace = Pace()
    for _ in range(10):
        pace.observe(4, 0.2)
    assert pace.predict(8, 32) == pytest.approx(0.4)


def test_impossible_line_is_not_used() -> None:
    """Noise that makes large batches look faster than small ones gives the mean instead."""
    pace = Pace()
    for rows, seconds in ((1, 1.0), (10, 0.5), (1, 1.0), (10, 0.5)):
        pace.observe(rows, seconds)
    assert pace.predict(22, 100) == pytest.approx(3.0, rel=0.1)
    assert pace.predict(1, 100) > 0


def test_latest_runs_count_most() -> None:
    """A machine that has become slower is believed soon."""
    pace = Pace()
    for _ in range(1000):
        pace.observe(1, 0.001)
    for _ in range(200):
        pace.observe(1, 0.1)
    assert pace.predict(1, 1) == pytest.approx(0.1, rel=0.05)


def test_slow_run_is_remembered_for_a_while() -> None:
    """One slow run among quick ones shows, and is forgotten after some hundred of them."""
    pace = Pace()
    pace.observe(1, 1.0)
    for _ in range(50):
        pace.observe(1, 0.001)
    assert pace.slowest > 0.1
    for _ in range(300):
        pace.observe(1, 0.001)
    assert pace.slowest < 0.005


def busy(load: Load, share: float, seconds: int, start: float) -> float:
    """Work for a share of every tenth of a second; returns the time it ended."""
    for tick in range(seconds * 10):
        load.add(share * 0.1, start + tick * 0.1)
    return start + seconds - 0.1


def test_share_of_the_capacity() -> None:
    """Steady work of 30 % reads 0.3, and nothing reads 0."""
    load = Load(instances=1)
    assert load.read(0.0) == 0.0
    assert load.read(busy(load, 0.3, 120, 0.0)) == pytest.approx(0.3, abs=0.01)


def test_share_of_several_runners() -> None:
    """Two runners can do twice as much."""
    load = Load(instances=2)
    assert load.read(busy(load, 1.0, 120, 0.0)) == pytest.approx(0.5, abs=0.01)


def test_share_is_bounded_and_fades() -> None:
    """It never reads more than 1, and a server that has become idle reads near 0 in a minute."""
    load = Load(instances=1)
    end = busy(load, 1.5, 120, 0.0)
    assert load.read(end) == 1.0
    assert load.read(end + 60) < 0.03
