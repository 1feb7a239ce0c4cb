"""Callers against a real server."""

import socket
import threading

import pytest

from modelserver.profiling import load as load_module
from modelserver.profiling.load import measure
from tests.conftest import RunningServer
from tests.modelserver.ticks import Ticks

BODY = b'{"instances": ["copy an array"]}'


@pytest.fixture(autouse=True)
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements go by looks at the clock."""
    monkeypatch.setattr(load_module, "time", Ticks())


def request(path: str) -> bytes:
    """A whole request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


def address(server: RunningServer) -> tuple[str, int]:
    """Host and port of a server."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


@pytest.mark.parametrize("callers", [1, 5])
def test_answers_are_counted(faq_server: RunningServer, callers: int) -> None:
    """Callers get answers, and the percentiles are in order."""
    load = measure(*address(faq_server), request("/v1/models/faq:predict"), callers, 0.3, 0.05)
    assert (load.callers, load.refused) == (callers, 0)
    assert load.requests_per_second > 0
    assert 0 < load.p50_seconds <= load.p99_seconds


def test_refusals_are_no_answers(faq_server: RunningServer) -> None:
    """What is refused counts apart, so that a fast refusal never looks like a fast model."""
    load = measure(*address(faq_server), request("/v1/models/none:predict"), 1, 0.2, 0.0)
    assert load.requests_per_second == 0
    assert load.refused > 0


def test_a_closed_connection() -> None:
    """A server that hangs up ends the measurement with a word, not with figures."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ConnectionError):
            measure(*listener.getsockname(), request("/"), 1, 0.5, 0.0)
        thread.join()
