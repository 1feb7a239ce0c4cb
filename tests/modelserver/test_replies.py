"""What goes back: one shape for every error, and a request id that is safe to log."""

import json
import re

import pytest

from modelserver.errors import MethodNotAllowed, NotFound, Unavailable
from modelserver.replies import answer, refusal, request_id


def test_answer() -> None:
    """An answer is JSON with its length and the request's id."""
    reply = answer({"a": [1.5, "é"]})
    assert reply.status_line == "200 OK"
    assert reply.header_list("me") == [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(reply.body))),
        ("X-Request-Id", "me"),
    ]
    assert json.loads(reply.body) == {"a": [1.5, "é"]}
    assert reply.code == ""


def test_refusal() -> None:
    """An error has one shape, its text first because that is what clients show."""
    reply = refusal(NotFound("no such thing"), "me")
    assert reply.body == b'{"error":"no such thing","code":"not_found","request_id":"me"}'
    assert (reply.status, reply.status_line, reply.code) == (404, "404 Not Found", "not_found")


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (MethodNotAllowed("x", ("POST",)), ("Allow", "POST")),
        (Unavailable("x", 3), ("Retry-After", "3")),
    ],
)
def test_headers_of_errors(error: Unavailable, header: tuple[str, str]) -> None:
    """An error brings the headers that HTTP wants with it."""
    assert refusal(error, "me").header_list("me")[-1] == header


@pytest.mark.parametrize("given", ["a", "a" * 128, "01J:abc-DEF_1.2/3+4=", "0"])
def test_safe_id_is_kept(given: str) -> None:
    """The caller's id is echoed, so that both logs can be joined."""
    assert request_id(given) == given


@pytest.mark.parametrize(
    "given", ["", "a" * 129, "a b", "a\n", "a\r\nX: y", "é", "<script>", '"', "{", "a\x00"]
)
def test_unsafe_id_is_replaced(given: str) -> None:
    """An id that could forge a log line or a header is replaced by one of ours."""
    made = request_id(given)
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert made != request_id(given)


def test_missing_id_is_made() -> None:
    """Every request has an id, and no two share one."""
    assert len({request_id() for _ in range(100)}) == 100
