"""The golden comparison: fractions within tolerance, everything else equal."""

from typing import Any

import pytest

from modelserver.golden import GoldenMismatch, largest_deviation
from modelserver.manifest import Tolerances

TOLERANCES = Tolerances(absolute=0.01, relative=0.1)


@pytest.mark.parametrize(
    ("want", "got", "deviation"),
    [
        (1.0, 1.0, 0.0),
        (1.0, 1.109, 0.109),
        (-1.0, -1.109, 0.109),
        (0.0, 0.009, 0.009),
        (0.0, -0.009, 0.009),
        (1, 1.1, 0.1),
        (1.1, 1, 0.1),
        ({"a": [1.0, {"b": 2.0}]}, {"a": [1.05, {"b": 1.9}]}, 0.1),
        ([], [], 0.0),
        (["x", None, True, 3], ["x", None, True, 3], 0.0),
    ],
)
def test_close_enough(want: Any, got: Any, deviation: float) -> None:
    """Values within tolerance pass, and the largest deviation is reported."""
    assert largest_deviation(want, got, TOLERANCES) == pytest.approx(deviation)


@pytest.mark.parametrize(
    ("want", "got", "where"),
    [
        (1.0, 1.111, "response: expected 1.0, got 1.111"),
        (0.0, 0.011, "response: "),
        (1.0, float("nan"), "response: "),
        (1.0, float("inf"), "response: "),
        (1000, 1001, "response: expected 1000, got 1001"),  # two ids, not two measurements
        (1, True, "response: "),
        (True, 1, "response: "),
        (0.0, None, "response: "),
        ("1.0", 1.0, "response: "),
        ("a", "b", "response: expected 'a', got 'b'"),
        ([1.0], [1.0, 1.0], "response: "),
        ([1.0], {"0": 1.0}, "response: "),
        ({"a": 1.0}, {"b": 1.0}, "response: "),
        ({"a": [1.0, {"b": 2.0}]}, {"a": [1.0, {"b": 3.0}]}, "response.a[1].b: expected 2.0"),
        ("w" * 1000, "g" * 1000, "response: expected 'www"),
    ],
)
def test_mismatch(want: Any, got: Any, where: str) -> None:
    """Anything else is refused, with the path to the difference, in few words."""
    with pytest.raises(GoldenMismatch) as caught:
        largest_deviation(want, got, TOLERANCES)
    assert str(caught.value).startswith(where)
    assert len(str(caught.value)) < 250
