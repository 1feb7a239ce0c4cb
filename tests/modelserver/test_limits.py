"""Limits and deadlines of a real server, through either HTTP front."""

import http.client
import json
import socket
import urllib.parse
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, RunningServer

Serve = Callable[..., RunningServer]

PREDICT, INFER = "/v1/models/slow:predict", "/v2/models/slow/infer"
AT_ONCE: Any = {"instances": [[1]]}
FOREVER: Any = {"instances": [[1_000_000_000]]}
FRONTS = pytest.mark.parametrize("front", ["waitress", "asyncio"])


def infer(**parameters: Any) -> dict[str, Any]:
    tensor = {"name": "turns", "datatype": "INT64", "shape": [1, 1], "data": [1]}
    return {"inputs": [tensor], "parameters": parameters}


def start(serve: Serve, models: Path, front: str, *flags: str) -> RunningServer:
    if front == "asyncio":
        pytest.importorskip("httptools", reason="the extra `fast` is not installed")
    return serve(models, "--http-server", front, *flags)


def metric(server: RunningServer, name: str) -> float:
    """The value of a metric with one series."""
    text = server.request("/metrics", management=True).body.decode()
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def occupy(server: RunningServer, before: int = 0) -> Future[Answer]:
    """Have one more request for ever, and wait until it is in; the first one then runs."""
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(server.request, PREDICT, FOREVER)
    pool.shutdown(wait=False)
    while metric(server, "modelserver_inflight_requests") <= before:
        pass
    while metric(server, "modelserver_queue_rows") > before:
        pass
    return asked


@FRONTS
def test_time_runs_out_while_waiting(serve: Serve, slow_models: Path, front: str) -> None:
    """Who waits for a busy model is answered 504 at its deadline, not when the model is free."""
    server = start(serve, slow_models, front)
    busy = occupy(server)
    for path, body, headers in (
        (PREDICT, AT_ONCE, {"X_Request_Timeout": "0.5"}),
        (INFER, infer(timeout=500_000), {}),
    ):
        answer = server.request(path, body, **headers)
        assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded"), answer.body
        assert metric(server, "modelserver_queue_rows") == 0
    assert not busy.done()


@FRONTS
def test_default_timeout(serve: Serve, slow_models: Path, front: str) -> None:
    """A request that says nothing has the server's default time, the one that runs included."""
    server = start(serve, slow_models, front, "--default-timeout-seconds", "0.5")
    answer = server.request(PREDICT, FOREVER)
    assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")


@FRONTS
def test_wrong_timeout(serve: Serve, slow_models: Path, front: str) -> None:
    """A time that is none is refused with what was expected, and nothing runs."""
    server = start(serve, slow_models, front)
    answer = server.request(PREDICT, AT_ONCE, X_Request_Timeout="soon")
    assert (answer.status, answer.json["code"]) == (422, "invalid_input")
    assert "X-Request-Timeout: expected seconds above 0, got 'soon'" in answer.json["error"]
    answer = server.request(INFER, infer(timeout="x"))
    assert (answer.status, answer.json["code"]) == (422, "invalid_input")


@FRONTS
def test_full_server(serve: Serve, slow_models: Path, front: str) -> None:
    """One request over the limit is refused at once, whatever its body, and says when to return."""
    server = start(serve, slow_models, front, "--max-inflight-requests", "1")
    busy = occupy(server)
    for body in (json.dumps(AT_ONCE).encode(), b"no JSON"):
        answer = server.request(PREDICT, body, Content_Type="application/json")
        assert (answer.status, answer.json["code"]) == (503, "overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
    assert metric(server, "modelserver_saturation_ratio") == 1
    assert server.request("/v1/models").status == 200
    assert not busy.done()


@FRONTS
def test_full_queue(serve: Serve, slow_models: Path, front: str) -> None:
    """Rows beyond the queue of one model are refused."""
    flags = ["--max-queue-rows", "1", "--max-batch-rows", "1"]
    server = start(serve, slow_models, front, *flags)
    occupy(server)
    occupy(server, before=1)
    while metric(server, "modelserver_queue_rows") < 1:
        pass
    answer = server.request(PREDICT, AT_ONCE)
    assert (answer.status, answer.json["code"]) == (503, "overloaded"), answer.body
    assert "1 rows waiting, at most 1 may" in answer.json["error"]


@FRONTS
def test_client_hangs_up(serve: Serve, slow_models: Path, front: str) -> None:
    """Work whose client has gone before its turn is never run, and is logged as such."""
    server = start(serve, slow_models, front)
    long = ThreadPoolExecutor(1).submit(server.request, PREDICT, {"instances": [[6_000]]})
    while metric(server, "modelserver_inflight_requests") < 1:
        pass
    host = urllib.parse.urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("POST", PREDICT, json.dumps(AT_ONCE))
    while metric(server, "modelserver_queue_rows") < 1:
        assert not long.done(), "it ended too soon to test anything"
    assert isinstance(connection.sock, socket.socket)
    connection.close()
    assert long.result().status == 200
    logged = server.wait_for("request")
    while logged["status"] == 200:
        logged = server.wait_for("request")
    assert (logged["status"], logged["code"]) == (499, "client_gone")
