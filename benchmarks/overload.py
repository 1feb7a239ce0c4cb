"""What the server does at ten times the load that it can take.

    python benchmarks/overload.py [--http-server NAME ...] [--times 10] [--seconds 10]

The model is a chain of matrix products that takes some 40 ms for a row and is never batched, so
that the model, not HTTP, is what runs out. First a few clients find out the most that the server
can do; then requests come at a fixed rate of ten times that, whether earlier ones were answered or
not, each with a second to be answered in and none sent twice. All the while another process asks
both probes, and the memory of the server is looked at before, after two seconds, and at the end.
Where there are two processors, one is the server's and the other one that of all who ask.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from onnx import TensorProto, helper, numpy_helper

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report

ROOT = Path(__file__).resolve().parent.parent
WIDTH, LAYERS = 512, 240
DEADLINE_SECONDS = 1.0
PEAK_CLIENTS = 4
PROBE_PAUSE_SECONDS = 0.2


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--http-server", action="append", choices=("waitress", "asyncio"))
    parser.add_argument("--times", type=float, default=10, help="offered load / peak")
    parser.add_argument("--seconds", type=float, default=10, help="of each phase")
    arguments = parser.parse_args()
    rows, prefix = [], on_first_cpu()
    with tempfile.TemporaryDirectory() as folder:
        publish_chain(Path(folder))
        for name in arguments.http_server or ("waitress", "asyncio"):
            with serving(Path(folder), name, prefix) as server:
                rows.append(measure(name, server, arguments.times, arguments.seconds))
    print(f"\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(row.values())} |")
    print(f"\n{describe_machine('onnxruntime', 'waitress', 'uvloop', 'httptools')}")
    return 0


def publish_chain(repository: Path) -> None:
    """Publish `x` FP32 [N, 512] -> `y` FP32 [N, 512], a product and a tanh for each layer."""
    random = np.random.default_rng(0)
    tensors, nodes, last = [], [], "x"
    for number in range(LAYERS):
        weights = (random.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5).astype(np.float32)
        tensors.append(numpy_helper.from_array(weights, f"w{number}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [f"product{number}"]))
        last = "y" if number == LAYERS - 1 else f"layer{number}"
        nodes.append(helper.make_node("Tanh", [f"product{number}"], [last]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "chain",
        [value("x", TensorProto.FLOAT, ["rows", WIDTH])],
        [value("y", TensorProto.FLOAT, ["rows", WIDTH])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    row = np.zeros(WIDTH, np.float32)
    publication = Publication(
        task="tensor",
        onnx_model=model.SerializeToString(),
        golden_request={"instances": [row.tolist()]},
        examples=Examples([row.tolist()], {"y": row[None]}, tolerance=1e-6),
    )
    publish(publication, Place.choose(str(repository), "chain", None), Report("chain"))


@dataclass
class Server:
    """A running server."""

    process: "subprocess.Popen[str]"
    port: int
    management_url: str

    def memory_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def serving(repository: Path, http_server: str, prefix: Sequence[str]) -> Iterator[Server]:
    """Run a server with the model; the prefix starts it."""
    command = [*prefix, sys.executable, "-m", "modelserver", "--models", str(repository)]
    command += ["--host", "127.0.0.1", "--port", "0", "--management-port", "0"]
    command += ["--http-server", http_server, "--model-threads", "1", "--max-batch-rows", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
            threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
            while (line := lines.get(timeout=60))["event"] != "ready":
                if line["event"] == "failed":
                    raise SystemExit(line["error"])
            yield Server(process, int(line["url"].rpartition(":")[2]), line["management_url"])
        finally:
            process.kill()


def on_first_cpu() -> list[str]:
    """How to start the server on a processor of its own; this process keeps to the others."""
    cpus = sorted(os.sched_getaffinity(0))
    if shutil.which("taskset") is None or len(cpus) < 2:
        return []
    os.sched_setaffinity(0, cpus[1:])
    return ["taskset", "-c", str(cpus[0])]


def _read_lines(process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[Any]") -> None:
    """Read the log all the time, or the server would wait for us; only the start is looked at."""
    assert process.stdout is not None
    for line in process.stdout:
        if '"event":"request"' not in line:
            lines.put(json.loads(line))


@dataclass
class Outcome:
    """What clients saw: the status of each request and its seconds."""

    answers: list[tuple[int, float]] = field(default_factory=list)

    def seconds(self, *statuses: int) -> list[float]:
        """The times of all answers with one of these statuses, sorted; one 0 when there is none."""
        return sorted(s for status, s in self.answers if status in statuses) or [0.0]


class Clients:
    """Sends requests over connections that stay open; as many as it needs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        instance = np.linspace(-1, 1, WIDTH, dtype=np.float32).round(2).tolist()
        body = json.dumps({"instances": [instance]}).encode()
        self._request = (
            "POST /v1/models/chain:predict HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nX-Request-Timeout: {DEADLINE_SECONDS}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def send(self, outcome: Outcome) -> None:
        """Send one request and note its answer."""
        connection = self._idle.pop() if self._idle else None
        started = time.perf_counter()
        reader, writer = connection or await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        outcome.answers.append((int(head.split()[1]), time.perf_counter() - started))
        self._idle.append((reader, writer))


async def run_closed(port: int, seconds: float) -> Outcome:
    """As many requests as a few clients can have answered one after the other."""
    clients, outcome = Clients(port), Outcome()
    end = time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            await clients.send(outcome)

    await asyncio.gather(*(client() for _ in range(PEAK_CLIENTS)))
    return outcome


async def run_open(port: int, rate: float, seconds: float) -> Outcome:
    """Requests at a fixed rate, whatever comes back."""
    clients, outcome = Clients(port), Outcome()
    start = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(clients.send(outcome)))
    await asyncio.gather(*tasks)
    return outcome


class Probing:
    """Asks both probes again and again, as Kubernetes does, in a process that does nothing else.

    Args:
        url: of the management port.
    """

    def __init__(self, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_probe, args=(url, there), daemon=True)
        self._process.start()
        self._here.recv()

    def stop(self) -> list[float]:
        """The seconds of all probes, sorted."""
        self._here.send(None)
        seconds: list[float] = self._here.recv()
        self._process.join()
        return sorted(seconds)


def _probe(url: str, pipe: Connection) -> None:
    """Ask until something comes through the pipe, then send the seconds of each answer."""
    seconds: list[float] = []
    pipe.send("begun")
    while not pipe.poll(PROBE_PAUSE_SECONDS):
        for path in ("/livez", "/readyz"):
            started = time.perf_counter()
            with urllib.request.urlopen(url + path, timeout=10) as answer:
                assert answer.status == 200
            seconds.append(time.perf_counter() - started)
    pipe.send(seconds)


def measure(name: str, server: Server, times: float, seconds: float) -> dict[str, str]:
    """Find the peak, go beyond it, and describe what happened."""
    asyncio.run(run_closed(server.port, 2))  # so that all memory is there and the pace is known
    peak = len(asyncio.run(run_closed(server.port, seconds)).seconds(200)) / seconds
    before = server.memory_mb()
    probing = Probing(server.management_url)
    asyncio.run(run_open(server.port, peak * times, 2))
    middle = server.memory_mb()
    outcome = asyncio.run(run_open(server.port, peak * times, seconds))
    probes = probing.stop()
    after = server.memory_mb()
    good = [s for s in outcome.seconds(200) if s <= DEADLINE_SECONDS]
    print(f"{name}: {dict(Counter(status for status, _ in outcome.answers))}", file=sys.stderr)
    goodput = len(good) / seconds
    return {
        "server": name,
        "peak, answers/s": f"{peak:.0f}",
        "offered, requests/s": f"{len(outcome.answers) / seconds:.0f}",
        "goodput": f"{goodput:.0f} ({goodput / peak:.0%} of the peak)",
        "accepted p50 / p99": _milliseconds(outcome.seconds(200, 504), 0.5, 0.99),
        "refused p50 / p99": _milliseconds(outcome.seconds(503), 0.5, 0.99),
        "probes p50 / p99 / worst": _milliseconds(probes, 0.5, 0.99, 1),
        "memory before / 2 s / end": f"{before:.0f} / {middle:.0f} / {after:.0f} MB",
    }


def _milliseconds(ordered: list[float], *shares: float) -> str:
    """Some quantiles of sorted seconds."""
    last = len(ordered) - 1
    return " / ".join(f"{ordered[round(share * last)] * 1000:.1f}" for share in shares) + " ms"


if __name__ == "__main__":
    sys.exit(main())
