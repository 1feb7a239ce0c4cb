"""Histograms of our own: what the library's would have said, from any number of threads."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as LibraryHistogram

from modelserver.histogram import Histogram, Series

BOUNDS = (0.5, 1.0, 2.5)


@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 10))))
def test_as_the_library(values: list[float]) -> None:
    """Each value lands in the bucket that the metrics library would put it in."""
    theirs = LibraryHistogram("x", "x", registry=CollectorRegistry(), buckets=BOUNDS)
    ours = Series(BOUNDS)
    for value in values:
        theirs.observe(value)
        ours.observe(value)
    counts, total = ours.read()
    at_most = [sum(counts[: i + 1]) for i in range(len(counts))]
    (family,) = theirs.collect()
    assert at_most == [s.value for s in family.samples if s.name == "x_bucket"]
    assert [total] == [s.value for s in family.samples if s.name == "x_sum"]


def test_nothing_lost() -> None:
    """Values counted by several threads at a time all count."""
    series = Series(BOUNDS)

    def observe() -> None:
        for _ in range(5000):
            series.observe(1.5)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert series.read() == ((0, 0, 20_000, 0), 30_000.0)


def test_series_by_labels() -> None:
    """The same labels give the same series, until it is removed."""
    histogram = Histogram(BOUNDS)
    histogram.labels("a", "1").observe(0.1)
    histogram.labels("a", "1").observe(0.1)
    histogram.labels("b", "1").observe(0.1)
    assert {labels: sum(series.read()[0]) for labels, series in histogram} == {
        ("a", "1"): 2,
        ("b", "1"): 1,
    }
    histogram.remove("a", "1")
    histogram.remove("a", "1")
    assert [labels for labels, _ in histogram] == [("b", "1")]
