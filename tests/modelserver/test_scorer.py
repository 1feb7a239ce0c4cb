"""Admission: who may work when, and who is still at work."""

import threading
from typing import Any

import pytest

from modelserver.errors import InvalidInput, NotFound, Unavailable
from modelserver.metrics import Metrics
from modelserver.repository import Repository
from modelserver.scorer import Scorer, State


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def scorer(metrics: Metrics, repository: Repository) -> Scorer:
    scorer = Scorer(metrics)
    scorer.open(repository)
    return scorer


def inflight(metrics: Metrics) -> float:
    lines = metrics.render().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("modelserver_inflight"))


def test_starting_server_refuses(metrics: Metrics) -> None:
    """Before the models are loaded a request is asked to come back, not told that there is none."""
    scorer = Scorer(metrics)
    assert scorer.state is State.STARTING
    with pytest.raises(Unavailable, match="the server is loading its models"), scorer.admitted():
        pytest.fail("it was admitted")
    for name in (None, "sum", ""):
        with pytest.raises(Unavailable, match="the server is loading its models"):
            scorer.find(name, None)


def test_ready_server_admits(scorer: Scorer, metrics: Metrics) -> None:
    """A request in flight is counted until it ends."""
    assert scorer.state is State.READY
    with scorer.admitted():
        assert inflight(metrics) == 1
        with scorer.admitted():
            assert inflight(metrics) == 2
        assert inflight(metrics) == 1
    assert inflight(metrics) == 0


@pytest.mark.parametrize("error", [ValueError, InvalidInput, SystemExit])
def test_place_is_given_back(scorer: Scorer, metrics: Metrics, error: type[BaseException]) -> None:
    """However a request ends, it gives its place back."""
    with pytest.raises(error), scorer.admitted():
        raise error("x")
    assert inflight(metrics) == 0


def test_draining_server_still_admits(scorer: Scorer) -> None:
    """Load balancers need a moment to look away; what they send until then is answered."""
    scorer.start_draining()
    assert scorer.state is State.DRAINING
    with scorer.admitted():
        assert scorer.find("sum", None).name == "sum"


def test_closed_server_refuses(scorer: Scorer) -> None:
    """After the drain delay new requests are sent elsewhere."""
    scorer.start_draining()
    scorer.close()
    assert scorer.state is State.CLOSED
    with pytest.raises(Unavailable, match="the server is stopping; try again"), scorer.admitted():
        pytest.fail("it was admitted")


def test_stop_while_loading(metrics: Metrics) -> None:
    """A server that is stopped before it was ready has nothing to answer with, so it refuses."""
    scorer = Scorer(metrics)
    scorer.start_draining()
    with pytest.raises(Unavailable), scorer.admitted():
        pytest.fail("it was admitted")


def test_waiting_for_the_last_request(scorer: Scorer) -> None:
    """Closing waits for the requests in flight, and says when it waited in vain."""
    assert scorer.wait_until_idle(timeout_seconds=0)
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with scorer.admitted():
            entered.set()
            leave.wait()

    worker = threading.Thread(target=work)
    worker.start()
    entered.wait()
    scorer.close()
    assert not scorer.wait_until_idle(timeout_seconds=0)
    leave.set()
    assert scorer.wait_until_idle(timeout_seconds=60)
    worker.join()


def test_finding(scorer: Scorer) -> None:
    """A model is found by name, by name and version, or alone."""
    assert scorer.find("sum", "2").version == 2
    assert scorer.find("sum", None).version == 10
    with pytest.raises(NotFound, match="name the model in the path"):
        scorer.find(None, None)
    with pytest.raises(NotFound, match="the path names no model"):
        scorer.find("", None)
    with pytest.raises(NotFound, match="unknown model 'other'"):
        scorer.find("other", None)


def test_scored_requests_are_measured(scorer: Scorer, metrics: Metrics) -> None:
    """Every scored request is measured by its model and version; a refused one is not."""
    model = scorer.find("sum", None)
    assert scorer.score(model, [[1, 2, 3]], {}) == [[6.0]]
    wrong: list[Any] = ["x"]
    with pytest.raises(InvalidInput):
        scorer.score(model, wrong, {})
    text = metrics.render().decode()
    for stage in ("decode", "inference"):
        assert f'{stage}_duration_seconds_count{{model="sum",version="10"}} 1.0' in text
