"""The life of a server process: start, signals, draining, the end."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Answer, RunningServer

Serve = Callable[..., RunningServer]

FRONTS = ("waitress", "asyncio")

PREDICT = "/v1/models/slow:predict"
A_WHILE = {"instances": [[6_000]]}  # matrix products: two seconds or more
FOREVER = {"instances": [[10_000_000]]}
AT_ONCE = {"instances": [[1]]}


def in_flight(server: RunningServer) -> int:
    """How many scoring requests the server says it is answering."""
    lines = server.request("/metrics", management=True).body.decode().splitlines()
    name = "modelserver_inflight_requests "
    return next(int(float(line.split()[1])) for line in lines if line.startswith(name))


def ask(server: RunningServer, body: object, pool: ThreadPoolExecutor) -> Future[Answer]:
    """Send a request in a thread; return when the server is at work on it."""
    before = in_flight(server)
    answer = pool.submit(server.request, PREDICT, body)
    while in_flight(server) == before:
        assert not answer.done(), answer.result().body
    return answer


def state(server: RunningServer) -> str:
    """Where the server says it is in its life."""
    found: str = server.request("/readyz", management=True).json["state"]
    return found


def events(server: RunningServer) -> list[str]:
    """The names of the logged events, in order."""
    return [line.split('"event":"')[1].split('"')[0] for line in server.lines]


@pytest.fixture(params=FRONTS)
def serve(serve: Serve, request: pytest.FixtureRequest) -> Serve:
    """Start servers with each HTTP front."""
    if request.param == "asyncio":
        pytest.importorskip("uvloop", reason="needs the extra `fast`")
    return lambda models, *flags, **more: serve(
        models, "--http-server", request.param, *flags, **more
    )


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    """Threads for clients; those of a killed server end with an error that nobody asks for."""
    return ThreadPoolExecutor()


def test_sigterm_loses_no_request(
    serve: Serve, slow_models: Path, pool: ThreadPoolExecutor
) -> None:
    """Requests that were accepted before SIGTERM are answered, and then the process ends with 0."""
    server = serve(slow_models)
    # The others wait for the first one.
    answers = [ask(server, body, pool) for body in (A_WHILE, AT_ONCE, AT_ONCE, AT_ONCE)]
    assert server.stop(signal.SIGTERM) == 0
    assert [answer.result().status for answer in answers] == [200] * 4
    predictions = [answer.result().json["predictions"] for answer in answers]
    assert predictions == [[[6_000]], [[1]], [[1]], [[1]]]
    order = events(server)
    assert order.index("draining") < order.index("request")
    assert order[-1] == "stopped"


def test_closed_server_refuses_the_rest(
    serve: Serve, slow_models: Path, pool: ThreadPoolExecutor
) -> None:
    """While the last requests are finished, new ones are told to go elsewhere."""
    server = serve(slow_models)
    last = ask(server, FOREVER, pool)
    server.process.send_signal(signal.SIGTERM)
    while state(server) != "closed":
        pass
    refused = server.request(PREDICT, AT_ONCE)
    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Connection"] == "close"
    assert not last.done()


def test_drain_delay(serve: Serve, slow_models: Path) -> None:
    """During the drain delay the server is not ready, and still answers load balancers."""
    server = serve(slow_models, "--drain-delay-seconds", "100")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait_for("draining")["delay_seconds"] == 100
    assert server.request("/readyz", management=True).status == 503
    assert state(server) == "draining"
    answer = server.request(PREDICT, AT_ONCE)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")


def test_sigint_does_not_wait(serve: Serve, slow_models: Path) -> None:
    """Ctrl-C comes from a person, who gets the prompt back without the drain delay."""
    server = serve(slow_models, "--drain-delay-seconds", "100")
    assert server.stop(signal.SIGINT) == 0
    assert server.wait_for("draining")["delay_seconds"] == 0


def test_drain_timeout(serve: Serve, slow_models: Path, pool: ThreadPoolExecutor) -> None:
    """A request without an end does not keep the process: it says so and stops."""
    server = serve(slow_models, "--drain-timeout-seconds", "1")
    ask(server, FOREVER, pool)
    assert server.stop(signal.SIGTERM) == 0
    assert {"drain_timeout", "stopped"} <= set(events(server))


def test_sigterm_while_loading(serve: Serve, slow_models: Path) -> None:
    """A server that is stopped before it is ready ends as well, with 0."""
    server = serve(slow_models, wait=False)
    server.wait_for("starting")
    assert server.stop(signal.SIGTERM) == 0
    assert events(server)[-1] == "stopped"


def test_probes_answer_while_every_place_is_taken(
    serve: Serve, slow_models: Path, pool: ThreadPoolExecutor
) -> None:
    """The management port has threads of its own, so no load makes a pod look dead."""
    server = serve(slow_models, "--max-inflight-requests", "1")
    busy = ask(server, FOREVER, pool)
    for path in ("/livez", "/readyz"):
        assert server.request(path, management=True).status == 200
    assert not busy.done()


@pytest.mark.parametrize("flag", ["--port", "--management-port"])
def test_port_is_taken(serve: Serve, slow_models: Path, flag: str) -> None:
    """A port that something else has ends the process with 1 and a word on it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = serve(slow_models, flag, str(other.getsockname()[1]), wait=False)
        assert "cannot listen" in server.wait_for("failed")["error"]
        assert server.process.wait(timeout=60) == 1


def test_process_one(serve: Serve, slow_models: Path) -> None:
    """As process 1 of a container, which has no default signal handlers, SIGTERM ends it with 0."""
    prefix = ["unshare", "--fork", "--pid"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*prefix, "true"], capture_output=True).returncode
    ):
        pytest.skip("no process namespace can be made here (unshare --pid, as root)")
    server = serve(slow_models, prefix=prefix)
    assert '"pid":1' in next(line for line in server.lines if '"starting"' in line)
    parent = server.process.pid
    child = int(Path(f"/proc/{parent}/task/{parent}/children").read_text())
    os.kill(child, signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    server.wait_for("stopped")
