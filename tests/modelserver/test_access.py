"""The record of every answer: one log line and the metrics, and never what the caller sent."""

from typing import Any

import pytest

from modelserver.access import Access
from modelserver.metrics import Metrics
from modelserver.repository import Repository

SECRET = "hunter2"


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def access(events: list[dict[str, Any]]) -> Access:
    return Access(lambda event, **fields: events.append({"event": event, **fields}), Metrics())


def record(access: Access, **changes: Any) -> None:
    facts = {
        "request_id": "me",
        "route": "/score",
        "method": "POST",
        "status": 200,
        "bytes_in": 3,
        "bytes_out": 5,
        "seconds": 0.001,
    }
    access.answered(**{**facts, **changes})


def test_answer(access: Access, events: list[dict[str, Any]], repository: Repository) -> None:
    """An answer is one event with what an operator asks for, and one count."""
    record(access, model=repository.get("sum"))
    (event,) = events
    assert event.pop("milliseconds") == 1.0
    assert event == {
        "event": "request",
        "request_id": "me",
        "method": "POST",
        "route": "/score",
        "model": "sum",
        "version": "10",
        "status": 200,
        "code": "",
        "client": "",
        "trace_id": "",
        "bytes_in": 3,
        "bytes_out": 5,
    }
    assert 'requests_total{client="",code="200",model="sum",version="10"} 1.0' in (
        access.metrics.render().decode()
    )


def test_error(access: Access, events: list[dict[str, Any]]) -> None:
    """An error is recorded with its code, without a model when none was found."""
    record(access, status=404, code="not_found")
    assert (events[0]["model"], events[0]["code"]) == (None, "not_found")
    assert 'rejected_total{reason="not_found"} 1.0' in access.metrics.render().decode()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_known_methods(access: Access, events: list[dict[str, Any]], method: str) -> None:
    """The methods of HTTP are logged as they are."""
    record(access, method=method)
    assert events[0]["method"] == method


@pytest.mark.parametrize("method", [SECRET.upper(), "GET\n", "", "X" * 1000, "ÄÖ"])
def test_invented_methods(access: Access, events: list[dict[str, Any]], method: str) -> None:
    """A method can hold anything a caller typed, so an unknown one is not repeated."""
    record(access, method=method)
    assert events[0]["method"] == "other"


def test_fault_of_ours(access: Access, events: list[dict[str, Any]]) -> None:
    """A fault is recorded by type and place; its text may hold what the caller sent."""
    try:
        int(SECRET)
    except ValueError as error:
        access.failed("me", error)
    (event,) = events
    assert (event["event"], event["request_id"], event["type"]) == (
        "internal_error",
        "me",
        "ValueError",
    )
    assert any("test_fault_of_ours" in place for place in event["trace"])
    assert SECRET not in str(event)
