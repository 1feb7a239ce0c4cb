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


class Meanwhile(float):
    """A value that, while it is being added, has another thread count one."""

    def __new__(cls, value: float, series: Series) -> "Meanwhile":
        made = super().__new__(cls, value)
        made.other = threading.Thread(target=series.observe, args=(1.0,))
        return made

    other: threading.Thread

    def __radd__(self, total: float) -> float:
        self.other.start()
        self.other.join(0.1)  # it has to wait, so this ends by the clock
        return total + float(self)


def test_nothing_lost() -> None:
    """A value counted while another thread counts one is not lost, and loses none."""
    series = Series(BOUNDS)
    value = Meanwhile(2.0, series)
    series.observe(value)
    value.other.join()
    assert series.read() == ((0, 1, 1, 0), 3.0)


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
