"""`--workers 2`: real processes that share a port, end, start again and stop together."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Answer, RunningServer
from tests.modelserver.samples import publish_slow, publish_times

Serve = Callable[..., RunningServer]
PREDICT = "/v1/models/times:predict"
A_WHILE = {"instances": [[3_000]]}  # matrix products: a second or more


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository with `times` in version 1 and a slow model."""
    repository = tmp_path / "models"
    publish_times(repository, 1)
    publish_slow(repository)
    return repository


@pytest.fixture
def server(serve: Serve, models: Path) -> RunningServer:
    """Two workers that look at the folder only by order."""
    return serve(models, "--workers", "2", "--repository-poll-seconds", "0")


def pids(server: RunningServer) -> list[int]:
    """The processes of the workers that were started, oldest first."""
    return [
        int(match[1])
        for line in server.lines
        if (match := re.search(r'"worker_started".*"worker_pid":(\d+)', line))
    ]


def metric(server: RunningServer, series: str) -> float:
    """The value of one series of the scrape; 0 when there is none."""
    text = server.request("/metrics", management=True).body.decode()
    values = [line.split()[-1] for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(values[0]) if values else 0.0


def versions(server: RunningServer, count: int = 10) -> set[Any]:
    """The versions that answer, or the statuses of those that do not."""
    answers = [server.request(PREDICT, {"instances": [3]}) for _ in range(count)]
    return {a.json["model_version"] if a.status == 200 else a.status for a in answers}


def order(server: RunningServer, path: str) -> Answer:
    """An order to the management port."""
    return server.request(f"/v2/repository/{path}", b"", management=True)


def requests_answered(server: RunningServer) -> float:
    """What the scrape says of `times` in version 1."""
    labels = '{client="",code="200",model="times",version="1"}'
    return metric(server, f"modelserver_requests_total{labels}")


def await_answered(server: RunningServer, count: int) -> None:
    """Wait until the scrape counts so many: a worker that is late for one is in the next."""
    while (answered := requests_answered(server)) < count:
        pass
    assert answered == count


def kill(server: RunningServer, pid: int) -> None:
    """End a worker without warning, and wait until the supervisor knows."""
    os.kill(pid, signal.SIGKILL)
    ended = server.wait_for("worker_ended")
    assert (ended["worker_pid"], ended["exit_code"]) == (pid, -signal.SIGKILL)


def test_one_server(server: RunningServer) -> None:
    """Several workers are one server: one log, one readiness, one count."""
    assert len(set(pids(server))) == 2
    assert versions(server, 20) == {"1"}
    await_answered(server, 20)
    assert server.request("/readyz", management=True).json == {
        "ready": True,
        "state": "ready",
        "models": ["slow/1", "times/1"],
        "workers": 2,
        "workers_ready": 2,
    }


def test_worker_that_dies(server: RunningServer) -> None:
    """A worker that dies takes nothing with it but the requests it was answering.

    The server stays ready, the other worker answers, the counts go on, and a new one comes.
    """
    assert versions(server) == {"1"}
    await_answered(server, 10)
    answers: list[Answer | Exception] = []

    def ask() -> None:
        try:
            answers.append(server.request("/v1/models/slow:predict", A_WHILE))
        except (OSError, HTTPException) as error:  # the connection ends with the worker
            answers.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while metric(server, "modelserver_inflight_requests") < len(threads):
        assert not answers, "a request ended too soon to test anything"
    kill(server, pids(server)[0])
    assert server.request("/readyz", management=True).status == 200
    assert versions(server) == {"1"}
    server.wait_for("worker_ready")
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers if isinstance(answer, Answer)} <= {200}
    assert metric(server, "modelserver_workers_ready") == 2
    assert metric(server, "modelserver_worker_restarts_total") == 1
    await_answered(server, 20)


def test_orders_reach_every_worker(server: RunningServer, models: Path) -> None:
    """Whoever answers after an order answers as it was ordered; a refusal changes nothing."""
    publish_times(models, 2)
    assert versions(server) == {"1"}
    assert order(server, "models/times/load").status == 200
    assert versions(server) == {"2"}
    (models / "times" / "2" / "model.onnx").write_bytes(b"")
    failed = order(server, "models/times/load")
    assert failed.status == 422
    assert "times/2/model.onnx: expected" in failed.json["error"]
    assert versions(server) == {"2"}
    assert order(server, "models/other/load").status == 404
    assert order(server, "models/times/unload").status == 200
    assert versions(server) == {404}
    for _ in range(4):  # two versions in two workers
        server.wait_for("model_unloaded")
    while requests_answered(server):  # until a scrape has the latest of every worker
        pass


def test_new_worker_knows_the_orders(server: RunningServer, models: Path) -> None:
    """A worker that takes the place of another does not serve what was unloaded meanwhile.

    One that cannot load what is damaged now ends and is tried again; the other one goes on.
    """
    assert order(server, "models/times/unload").status == 200
    onnx = models / "times" / "1" / "model.onnx"
    good = onnx.read_bytes()
    onnx.write_bytes(b"")
    kill(server, pids(server)[0])
    assert server.wait_for("worker_ended")["exit_code"] == 1
    assert server.request("/readyz", management=True).json["workers_ready"] == 1
    onnx.write_bytes(good)
    server.wait_for("worker_ready")
    assert versions(server) == {404}
    states = [(e["name"], e["version"], e["state"]) for e in order(server, "index").json]
    assert states == [("slow", "1", "READY"), ("times", "1", "UNAVAILABLE")]


def test_new_worker_without_what_was_unloaded(server: RunningServer, models: Path) -> None:
    """A model that was unloaded and then removed does not keep a new worker from its work."""
    assert order(server, "models/times/unload").status == 200
    shutil.rmtree(models / "times")
    kill(server, pids(server)[0])
    server.wait_for("worker_ready")
    assert versions(server) == {404}


def test_not_ready_without_models(serve: Serve, tmp_path: Path) -> None:
    """When the last model is unloaded, no worker is ready, and neither is the server."""
    publish_times(tmp_path, 1)
    server = serve(tmp_path, "--workers", "2")
    assert order(server, "models/times/unload").status == 200
    answer = server.request("/readyz", management=True)
    assert (answer.status, answer.json["models"]) == (503, [])
    assert order(server, "models/times/load").status == 200
    assert server.request("/readyz", management=True).status == 200


@pytest.mark.parametrize("front", ["waitress", "asyncio"])
def test_drain(serve: Serve, models: Path, front: str) -> None:
    """SIGTERM, also to all processes at once, loses no accepted request of any worker."""
    server = serve(models, "--workers", "2", "--http-server", front)
    answers: list[Answer] = []

    def ask() -> None:
        answers.append(server.request("/v1/models/slow:predict", A_WHILE))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while metric(server, "modelserver_inflight_requests") < len(threads):
        assert not answers, "a request ended too soon to test anything"
    for pid in pids(server):
        os.kill(pid, signal.SIGTERM)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * len(threads)
    ends = [line for line in server.lines if '"worker_ended"' in line]
    assert len(ends) == 2
    assert all('"exit_code":0' in line for line in ends)


@pytest.mark.parametrize("front", ["waitress", "asyncio"])
def test_drain_while_loading(serve: Serve, models: Path, front: str) -> None:
    """A server that is stopped before its workers take connections ends in order as well."""
    server = serve(models, "--workers", "2", "--http-server", front, wait=False)
    for _ in range(2):
        server.wait_for("worker_started")
    assert server.stop() == 0
    ends = [json.loads(line)["exit_code"] for line in server.lines if '"worker_ended"' in line]
    assert ends == [0, 0], "".join(server.lines)


def test_damaged_model(serve: Serve, models: Path) -> None:
    """A start that fails in a worker fails as a whole, with the reason and exit code 1."""
    (models / "times" / "1" / "model.onnx").write_bytes(b"")
    server = serve(models, "--workers", "2", wait=False)
    assert "times/1/model.onnx: expected" in server.wait_for("failed")["error"]
    assert server.process.wait(timeout=60) == 1


def test_killed_supervisor(server: RunningServer) -> None:
    """Workers do not outlive their supervisor: they drain and end by themselves."""
    server.process.kill()
    server._reader.join(timeout=60)  # the log ends when the last process has closed it
    assert not server._reader.is_alive()
    assert sum('"draining"' in line for line in server.lines) == 2


def test_gpu_and_workers() -> None:
    """Several workers on one GPU are refused before anything starts."""
    command = [sys.executable, "-m", "modelserver", "--workers", "2", "--device", "cuda"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "workers is 2 and device is cuda" in done.stderr
