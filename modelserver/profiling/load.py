"""Load from callers that each wait for an answer before they ask again."""

import selectors
import socket
import statistics
import time
from dataclasses import dataclass

from modelserver.artefact import Artefact

_RECEIVE_BYTES = 256 * 1024
_STALLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What some callers at a time got.

    Args:
        callers: how many asked at a time.
        requests_per_second: answers of status 200.
        p50_seconds: half of them came sooner.
        p99_seconds: 99 % of them came sooner.
        refused: answers of another status.
    """

    callers: int
    requests_per_second: float
    p50_seconds: float
    p99_seconds: float
    refused: int


class _Caller:
    """One connection with one request under way."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self._request = request
        self._answer = bytearray()
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked = 0.0

    def ask(self) -> None:
        """Send the request."""
        self._answer.clear()
        self.asked = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> int:
        """Read what has come; returns the status once the answer is whole, else 0.

        Raises:
            ConnectionError: the server closed the connection.
        """
        chunk = self.socket.recv(_RECEIVE_BYTES)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._answer += chunk
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return 0
        return int(head[9:12])


def _content_length(head: bytearray) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def golden_request(artefact: Artefact) -> bytes:
    """The golden request of a model as it goes over the wire, on a connection that stays open."""
    golden = artefact.golden()
    return predict_request(artefact, golden.content_type, golden.request)


def predict_request(artefact: Artefact, content_type: str, body: bytes) -> bytes:
    """A request to a model as it goes over the wire, on a connection that stays open."""
    head = (
        f"POST /v1/models/{artefact.manifest.name}:predict HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(
    host: str, port: int, request: bytes, callers: int, seconds: float, warm_up_seconds: float
) -> Measurement:
    """Let callers ask again and again.

    Args:
        host: of the server.
        port: of the server.
        request: the bytes of one whole HTTP/1.1 request that keeps its connection open.
        callers: how many ask at a time.
        seconds: how long answers count.
        warm_up_seconds: how long before that they do not.

    Raises:
        ConnectionError: the server closed a connection, or answered nothing for a minute.
    """
    selector = selectors.DefaultSelector()
    crowd = [_Caller(host, port, request) for _ in range(callers)]
    try:
        for caller in crowd:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.ask()
        begin = time.perf_counter() + warm_up_seconds
        latencies, refused = _collect(selector, begin, begin + seconds)
    finally:
        selector.close()
        for caller in crowd:
            caller.socket.close()
    if len(latencies) < 2:
        return Measurement(callers, len(latencies) / seconds, seconds, seconds, refused)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return Measurement(callers, len(latencies) / seconds, cuts[49], cuts[98], refused)


def _collect(selector: selectors.BaseSelector, begin: float, end: float) -> tuple[list[float], int]:
    """Keep every caller busy until `end`; returns the latencies of answers since `begin`."""
    latencies: list[float] = []
    refused = 0
    while True:
        ready = selector.select(_STALLED_SECONDS)
        now = time.perf_counter()
        if now >= end:
            return latencies, refused
        if not ready:
            raise ConnectionError(f"no answer in {_STALLED_SECONDS:.0f} s")
        for key, _ in ready:
            caller: _Caller = key.data
            status = caller.receive()
            if not status:
                continue
            if now >= begin and status == 200:
                latencies.append(time.perf_counter() - caller.asked)
            refused += now >= begin and status != 200
            caller.ask()
