"""The rate and the concurrency of each client."""

import pytest

from modelserver.auth.limits import ClientLimits
from modelserver.errors import TooManyRequests


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: ClientLimits, client: str, tries: int) -> int:
    """How many of some tries come in; none of them leaves."""
    count = 0
    for _ in range(tries):
        try:
            limits.enter(client)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_a_second_of_requests_can_be_saved() -> None:
    """A client that was quiet may ask one second's worth at once, and no more."""
    clock = Clock()
    limits = ClientLimits(5, 0, clock)
    clock.now += 3600
    assert admitted(limits, "a", 20) == 5


def test_the_rate_holds_over_time() -> None:
    """After the first burst, a client gets the rate it has and not more."""
    clock = Clock()
    limits = ClientLimits(5, 0, clock)
    admitted(limits, "a", 5)
    total = 0
    for _ in range(100):
        clock.now += 0.1
        total += admitted(limits, "a", 3)
    assert total == pytest.approx(50, abs=1)


def test_less_than_one_a_second() -> None:
    """A slow rate still lets the first request in, then says how long to wait, rounded up."""
    clock = Clock()
    limits = ClientLimits(0.1, 0, clock)
    limits.enter("a")
    clock.now += 2.5
    with pytest.raises(TooManyRequests, match=r"client a: at most 0\.1 requests") as caught:
        limits.enter("a")
    assert dict(caught.value.headers) == {"Retry-After": "8"}
    clock.now += 8
    limits.enter("a")


def test_clients_do_not_share() -> None:
    """One client over its limit takes nothing from another."""
    limits = ClientLimits(2, 2, Clock())
    assert admitted(limits, "a", 9) == 2
    assert admitted(limits, "b", 9) == 2


def test_requests_at_the_same_time() -> None:
    """A place is free again when a request leaves."""
    limits = ClientLimits(0, 3)
    assert admitted(limits, "a", 5) == 3
    limits.leave("a")
    assert admitted(limits, "a", 5) == 1


def test_a_refused_request_takes_no_place() -> None:
    """Who is refused for the rate does not count as in flight."""
    clock = Clock()
    limits = ClientLimits(1, 2, clock)
    assert admitted(limits, "a", 10) == 1
    clock.now += 1
    assert admitted(limits, "a", 10) == 1


def test_no_limits() -> None:
    """Zero means any number."""
    limits = ClientLimits(0, 0)
    assert not limits.active
    assert admitted(limits, "a", 1000) == 1000
