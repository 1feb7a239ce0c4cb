"""The documented values of the chart."""

from collections.abc import Iterator
from typing import Any

from charts.values_comments import read_values
from tests.charts.engines import CHART


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and default of each value; a documented map is one value."""
    for value in read_values(CHART / "values.yaml"):
        yield value.path, value.default
