"""Admission: who may work when, and who is still at work."""

import threading

import pytest

from modelserver.errors import NotFound, Overloaded, Unavailable
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
    with pytest.raises(Unavailable, match="the server is loading its models"):
        scorer.enter()
    for name in (None, "sum", ""):
        with pytest.raises(Unavailable, match="the server is loading its models"):
            scorer.find(name, None)


def test_ready_server_admits(scorer: Scorer, metrics: Metrics) -> None:
    """A request in flight is counted until it ends."""
    assert scorer.state is State.READY
    scorer.enter()
    scorer.enter()
    assert inflight(metrics) == 2
    scorer.leave()
    assert inflight(metrics) == 1
    scorer.leave()
    assert inflight(metrics) == 0


def test_full_server_refuses(metrics: Metrics) -> None:
    """One request more than the limit is sent away, and taken again once another has left."""
    scorer = Scorer(metrics, max_inflight=2)
    scorer.open(Repository({}))
    scorer.enter()
    scorer.enter()
    with pytest.raises(Overloaded, match="the server is busy with 2 requests; try again") as caught:
        scorer.enter()
    assert caught.value.headers == {"Retry-After": "1"}
    assert inflight(metrics) == 2
    scorer.leave()
    scorer.enter()


@pytest.mark.parametrize("allowed", [False, True])
def test_ready_without_models(metrics: Metrics, repository: Repository, allowed: bool) -> None:
    """A server whose last model went is not ready, unless it was told that this is in order."""
    scorer = Scorer(metrics, ready_without_models=allowed)
    assert not scorer.ready
    scorer.open(repository)
    assert scorer.ready
    scorer.replace(Repository({}))
    assert scorer.ready is allowed
    with pytest.raises(NotFound, match="unknown model 'sum'; this server has no model"):
        scorer.find("sum", None)


def test_draining_server_still_admits(scorer: Scorer) -> None:
    """Load balancers need a moment to look away; what they send until then is answered."""
    scorer.start_draining()
    assert scorer.state is State.DRAINING
    scorer.enter()
    assert scorer.find("sum", None).name == "sum"


def test_closed_server_refuses(scorer: Scorer) -> None:
    """After the drain delay new requests are sent elsewhere."""
    scorer.start_draining()
    scorer.close()
    assert scorer.state is State.CLOSED
    with pytest.raises(Unavailable, match="the server is stopping; try again"):
        scorer.enter()


def test_stop_while_loading(metrics: Metrics) -> None:
    """A server that is stopped before it was ready has nothing to answer with, so it refuses."""
    scorer = Scorer(metrics)
    scorer.start_draining()
    with pytest.raises(Unavailable):
        scorer.enter()


def test_waiting_for_the_last_request(scorer: Scorer) -> None:
    """Closing waits for the requests in flight, and says when it waited in vain."""
    assert scorer.wait_until_idle(timeout_seconds=0)
    scorer.enter()
    scorer.close()
    assert not scorer.wait_until_idle(timeout_seconds=0)
    worker = threading.Thread(target=scorer.leave)
    worker.start()
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
