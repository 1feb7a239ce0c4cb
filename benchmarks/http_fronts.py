"""Our server behind each of its HTTP fronts, and the floors below them.

    python benchmarks/http_fronts.py [--faq FOLDER] [--seconds N] [--rounds N] [--output FILE]

One core serves, another one loads it (wrk, a Debian package, and taskset). The contestants take
turns, round after round; the table has medians. A tiny tensor model over the Open Inference
Protocol shows the front alone, the FAQ model what it means for a real one. The floors: the same
model called in a bare loop, and servers that answer a constant without looking at the request.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine
from onnx import TensorProto, helper, numpy_helper

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from modelserver.artefact import Artefact
from modelserver.runtime import OnnxModel

ROOT = Path(__file__).resolve().parent.parent
FLOORS = Path(__file__).resolve().parent / "http_floors.py"
CONCURRENCIES = (1, 8, 32)
SERVER_CPU, LOAD_CPU = "0", "1"
FRONTS = ("waitress", "asyncio")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Target:
    """What is asked of a running server."""

    process: subprocess.Popen
    url: str
    body: bytes


@dataclass
class Sample:
    """One run of the load generator."""

    rate: float  # requests per second
    p50: float  # milliseconds
    p99: float
    cpu: float  # microseconds of the server's processor time for a request


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faq", default="build/demo", help="repository of `make demo`")
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--rounds", type=int, default=5, help="of every contestant")
    parser.add_argument("--output", default="build/http_fronts.json")
    arguments = parser.parse_args()
    for tool in ("wrk", "taskset"):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is not installed (Debian: wrk, util-linux)")
            return 0
    if len(os.sched_getaffinity(0)) < 2:
        print("skipped: this needs two processors, one for the server and one for the load")
        return 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        targets, loops = prepare(Path(folder), Path(arguments.faq), servers)
        samples = measure(targets, loops, arguments.seconds, arguments.rounds)
    result = {
        "machine": describe_machine("waitress", "httptools", "uvloop", "onnxruntime"),
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "rows": summarise(samples),
    }
    path = Path(arguments.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    return 0


def prepare(
    folder: Path, faq: Path, servers: ExitStack
) -> tuple[dict[str, Target], dict[str, Callable[[], float]]]:
    """Start every server; returns what to ask, and the bare loops to time."""
    tiny = publish_tiny(folder / "tiny")
    models = {"tensor": (tiny.parent.parent, infer_request(), "/v2/models/tiny/infer")}
    loops = {"tensor: bare onnxruntime loop": f"{tiny}"}
    found = sorted(faq.glob("*/*/manifest.json"))
    if found:
        artefact = Artefact.open(found[-1].parent)
        path = f"/v1/models/{artefact.manifest.name}:predict"
        models["text"] = (faq, json.dumps({"instances": [question(artefact)]}).encode(), path)
        loops["text: bare onnxruntime loop"] = str(artefact.folder)
    else:
        print(f"without the text model: {faq} has none; `make demo` makes it")
    targets = {}
    for name, (repository, body, path) in models.items():
        for front in FRONTS:
            process, url = servers.enter_context(serve(repository, front))
            targets[f"{name}: our server, {front}"] = Target(process, url + path, body)
    for front in FRONTS:
        process, url = servers.enter_context(run_floor(front))
        targets[f"bare {front} echo"] = Target(process, url, infer_request())
    return targets, {name: lambda at=at: time_loop(at) for name, at in loops.items()}


# ---- What is served


def publish_tiny(repository: Path) -> Path:
    """An artefact that adds up the rows of a [N, 4] tensor."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "ones"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.ones((4, 1), np.float32), "ones")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    rows = [[1.0, 2.0, 3.0, 4.0]]
    publication = Publication(
        task="tensor",
        onnx_model=model.SerializeToString(),
        golden_request={"instances": rows},
        examples=Examples(rows, {"y": np.array([[10]], np.float32)}, tolerance=1e-6),
    )
    return publish(publication, Place.choose(str(repository), "tiny", 1), Report("tiny"))


def infer_request() -> bytes:
    """One row for it."""
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}
    return json.dumps({"inputs": [tensor]}).encode()


def question(artefact: Artefact) -> str:
    """The first question of a FAQ model's golden request."""
    instance = json.loads(artefact.golden().request)["instances"][0]
    return instance["text"] if isinstance(instance, dict) else instance


@contextmanager
def serve(repository: Path, front: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run our server on one core."""
    command = [sys.executable, "-m", "modelserver", "--models", str(repository)]
    command += ["--host", "127.0.0.1", "--port", "0", "--management-port", "0"]
    with pinned([*command, "--http-server", front]) as process:
        for line in process.stdout:
            if line.startswith("{") and (event := json.loads(line))["event"] == "ready":
                break
        else:
            raise SystemExit(f"the server with {front} did not start")
        # Its request lines are written and thrown away, as where logs are shipped.
        drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
        yield process, event["url"]
        process.terminate()
        drain.wait()


@contextmanager
def run_floor(kind: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run a server that answers a constant."""
    with pinned([sys.executable, str(FLOORS), kind]) as process:
        yield process, f"http://127.0.0.1:{int(process.stdout.readline())}/"


@contextmanager
def pinned(command: list[str]) -> Iterator[subprocess.Popen]:
    """Run a command on the core of servers."""
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CPU, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


# ---- Measuring


def measure(
    targets: dict[str, Target], loops: dict[str, Callable[[], float]], seconds: int, rounds: int
) -> dict[tuple[str, int], list[Sample]]:
    """Load the contestants in turn; contestant and concurrency -> samples."""
    samples: dict[tuple[str, int], list[Sample]] = {}
    for target in targets.values():
        load(target, 8, 1)  # warm
    for number in range(rounds):
        for name, loop in loops.items():
            each = loop()
            sample = Sample(1 / each, each * 1e3, each * 1e3, each * 1e6)
            samples.setdefault((name, 1), []).append(sample)
        for concurrency in CONCURRENCIES:
            for name, target in targets.items():
                samples.setdefault((name, concurrency), []).append(
                    load(target, concurrency, seconds)
                )
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return samples


def load(target: Target, concurrency: int, seconds: int) -> Sample:
    """Run wrk against a server."""
    script = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {json.dumps(target.body.decode())}
"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s"]
        before = cpu_seconds(target.process.pid)
        done = subprocess.run(
            [*command, "--latency", "-s", file.name, target.url],
            capture_output=True,
            text=True,
            check=True,
        )
    used = cpu_seconds(target.process.pid) - before
    text = done.stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(f"{target.url} failed under load:\n{text}")
    count = int(re.search(r"(\d+) requests in", text)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return Sample(rate, percentile(text, 50), percentile(text, 99), used / count * 1e6)


def percentile(text: str, percent: int) -> float:
    """A latency that wrk printed, in milliseconds."""
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)\s*$", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"wrk said no latency:\n{text}")
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def time_loop(artefact: str) -> float:
    """Median seconds of one bare call of a model with its golden input, on the server's core."""
    os.sched_setaffinity(0, {int(SERVER_CPU)})
    try:
        opened = Artefact.open(Path(artefact))
        model = OnnxModel(opened.model_path, threads=1)
        spec = model.inputs[0]
        feeds = {spec.name: np.ones((1, 4), np.float32)}
        if spec.datatype == "BYTES":
            feeds = {spec.name: np.array([question(opened)], np.object_)}
        times = []
        for _ in range(3000):
            started = time.perf_counter()
            model.run(feeds)
            times.append(time.perf_counter() - started)
        return statistics.median(times)
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))


# ---- The table


def summarise(samples: dict[tuple[str, int], list[Sample]]) -> list[dict]:
    """Medians of each contestant."""
    rows: dict[str, dict] = {}
    for (name, concurrency), runs in samples.items():
        rows.setdefault(name, {"name": name})[str(concurrency)] = {
            key: statistics.median(getattr(run, key) for run in runs)
            for key in ("rate", "p50", "p99", "cpu")
        }
    return list(rows.values())


def markdown(result: dict) -> str:
    """The table for docs/benchmarks.md."""
    numbers = " / ".join(str(concurrency) for concurrency in CONCURRENCIES)
    lines = [
        f"| at concurrency {numbers} | requests/s | p50 ms | p99 ms | processor µs each |",
        "|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        runs = [row[str(c)] for c in CONCURRENCIES if str(c) in row]
        cells = [
            " / ".join(form.format(run[key]) for run in runs)
            for key, form in (("rate", "{:,.0f}"), ("p50", "{:.2f}"), ("p99", "{:.2f}"))
        ]
        cells.append(" / ".join(f"{run['cpu']:.0f}" for run in runs))
        lines.append(f"| {row['name']} | {' | '.join(cells)} |")
    about = f"Medians of {result['rounds']} rounds of {result['seconds']} s. {result['machine']}"
    return "\n".join([*lines, "", about])


if __name__ == "__main__":
    sys.exit(main())
