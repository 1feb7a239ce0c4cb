"""What the server does at ten times the load that it can take.

    python benchmarks/overload.py [--http-server NAME ...] [--cpus N ...] [--times 10]
                                  [--seconds 8] [--repeats 3]

The model is a chain of matrix products that takes some 15 ms for a row and is never batched, so
that the model, not HTTP, is what runs out. First a few clients find out the most that the server
can do; then requests come at a fixed rate of ten times that, whether earlier ones were answered or
not, each with a second to be answered in and none sent twice. Goodput counts the answers in time
that come while the load does, without its first second, in which the queue fills. All the while
another process asks both probes, and the memory of the server is looked at before, after the first
two seconds, and at the end. Both phases take turns; the table has the median of the goodputs, and
the answers of all turns together.

All who ask have the last processor for themselves when the server has fewer than there are.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import queue
import shutil
import statistics
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
FILLING_SECONDS = 1.0  # until the queue is as long as is allowed
PEAK_CLIENTS = 4
PROBE_PAUSE_SECONDS = 0.2


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--http-server", action="append", choices=("waitress", "asyncio"))
    parser.add_argument("--cpus", type=int, action="append", help="of the server")
    parser.add_argument("--times", type=float, default=10, help="offered load / peak")
    parser.add_argument("--seconds", type=float, default=8, help="of each phase")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows, all_cpus = [], sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        publish_chain(Path(folder))
        for name in arguments.http_server or ("waitress", "asyncio"):
            for cpus in arguments.cpus or (1, 2):
                with serving(Path(folder), name, on_cpus(all_cpus, cpus)) as server:
                    row = {"server": name, "processors": str(cpus)}
                    rows.append(row | measure(server, arguments))
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


def on_cpus(available: Sequence[int], count: int) -> list[str]:
    """How to start the server on so many processors; this process keeps to the last one."""
    if shutil.which("taskset") is None or len(available) < max(2, count):
        raise SystemExit(f"needs taskset and {max(2, count)} processors, has {len(available)}")
    os.sched_setaffinity(0, available[-1:])
    return ["taskset", "-c", ",".join(map(str, available[:count]))]


def _read_lines(process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[Any]") -> None:
    """Read the log all the time, or the server would wait for us; only the start is looked at."""
    assert process.stdout is not None
    for line in process.stdout:
        if '"event":"request"' not in line:
            lines.put(json.loads(line))


@dataclass
class Outcome:
    """What clients saw: the status of each request, its seconds, and when it was answered."""

    began: float = field(default_factory=time.perf_counter)
    answers: list[tuple[int, float, float]] = field(default_factory=list)

    def note(self, status: int, started: float) -> None:
        """Note an answer that comes now."""
        now = time.perf_counter()
        self.answers.append((status, now - started, now - self.began))

    def goodput(self, since: float, until: float) -> float:
        """Answers in time for each second between these two."""
        good = [
            at
            for status, seconds, at in self.answers
            if status == 200 and seconds <= DEADLINE_SECONDS and since <= at < until
        ]
        return len(good) / (until - since)


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
        outcome.note(int(head.split()[1]), started)
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
        """The seconds of all probes."""
        self._here.send(None)
        seconds: list[float] = self._here.recv()
        self._process.join()
        return seconds


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


def measure(server: Server, arguments: argparse.Namespace) -> dict[str, str]:
    """Find the peak, go beyond it, again and again, and describe what happened."""
    seconds = arguments.seconds
    asyncio.run(run_closed(server.port, 2))  # so that all memory is there and the pace is known
    before, early = server.memory_mb(), 0.0
    peaks: list[float] = []
    goodputs: list[float] = []
    answers: list[tuple[int, float]] = []
    probes: list[float] = []
    for _ in range(arguments.repeats):
        peaks.append(asyncio.run(run_closed(server.port, seconds)).goodput(0, seconds))
        probing = Probing(server.management_url)
        rate = statistics.median(peaks) * arguments.times
        asyncio.run(run_open(server.port, rate, 2))
        early = early or server.memory_mb()
        outcome = asyncio.run(run_open(server.port, rate, seconds))
        probes += probing.stop()
        goodputs.append(outcome.goodput(FILLING_SECONDS, seconds))
        answers += [answer[:2] for answer in outcome.answers]
    print(dict(Counter(status for status, _ in answers)), file=sys.stderr)
    peak, goodput = statistics.median(peaks), statistics.median(goodputs)
    shares = sorted(good / best for good, best in zip(goodputs, peaks, strict=True))
    accepted = [seconds for status, seconds in answers if status in (200, 504)]
    refused = [seconds for status, seconds in answers if status == 503]
    return {
        "peak, answers/s": f"{peak:.0f}",
        "offered, requests/s": f"{len(answers) / seconds / arguments.repeats:.0f}",
        "goodput": f"{goodput:.0f} ({shares[0]:.0%} to {shares[-1]:.0%} of the peak)",
        "accepted p50 / p99": _milliseconds(accepted, 0.5, 0.99),
        "refused p50 / p99": _milliseconds(refused, 0.5, 0.99),
        "probes p50 / p99 / worst": _milliseconds(probes, 0.5, 0.99, 1),
        "memory before / 2 s / end": f"{before:.0f} / {early:.0f} / {server.memory_mb():.0f} MB",
    }


def _milliseconds(measured: list[float], *shares: float) -> str:
    """Some quantiles of seconds."""
    ordered = sorted(measured) or [0.0]
    last = len(ordered) - 1
    return " / ".join(f"{ordered[round(share * last)] * 1000:.1f}" for share in shares) + " ms"


if __name__ == "__main__":
    sys.exit(main())
