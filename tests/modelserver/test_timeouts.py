"""How long a request may take."""

import pytest

from modelserver.errors import InvalidInput
from modelserver.timeouts import Timeouts

TIMEOUTS = Timeouts(default_seconds=5, max_seconds=60)


@pytest.mark.parametrize(
    ("header", "asked", "seconds"),
    [
        (None, 0.0, 5),
        ("", 0.0, 5),
        ("0.25", 0.0, 0.25),
        ("30", 0.0, 30),
        ("1e9", 0.0, 60),
        (None, 0.5, 0.5),
        (None, 1e9, 60),
        ("2", 1.0, 1),
        ("1", 2.0, 1),
        (" 7 ", 0.0, 7),
    ],
)
def test_shortest_wish_counts(header: str | None, asked: float, seconds: float) -> None:
    """A request may shorten its time, or lengthen it up to the server's maximum."""
    assert TIMEOUTS.read(header, asked) == seconds


def test_default_is_bounded() -> None:
    """No request has more than the maximum, one that says nothing included."""
    assert Timeouts(default_seconds=90, max_seconds=60).read(None) == 60


@pytest.mark.parametrize("header", ["0", "-1", "nan", "inf", "-inf", "soon", "1s", "0x1", "1,5"])
def test_wrong_header(header: str) -> None:
    """A time that is none is refused, not ignored."""
    with pytest.raises(InvalidInput, match=r"X-Request-Timeout: expected seconds above 0, got '"):
        TIMEOUTS.read(header)
