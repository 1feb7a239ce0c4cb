"""Measures modelserver and other Python model servers side by side, on one core each.

    python benchmarks/peers/run.py [--scenario text] [--only NAME] [--seconds 3] [--repeats 3]

Each server gets the same model and the first CPU, wrk the second. All run at the same time but are
frozen unless it is their turn; the runs alternate, so that whatever else the machine does hits all
alike; the tables hold medians. Before a server is measured its answer is checked.
`make bench-peers` makes the environments first; a server without one is left out, and that is said.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from contestants import CONTESTANTS, QUESTION, ROOT, ROW, Contestant, Request, Setting

sys.path.insert(0, str(ROOT / "benchmarks"))

from machine import describe_machine
from models import PHOTO, WANTED, make_models

CONCURRENCIES = (1, 8, 32)
FIRST_PORT = 18_100
TICKS = os.sysconf("SC_CLK_TCK")  # in which the system counts a second of processor time
FOLDER = Path(__file__).resolve().parent


class Running:
    """A contestant's server, frozen but when it is measured.

    Args:
        contestant: what runs.
        setting: on what.
        request: what it is asked.
        log: where its output goes.
    """

    def __init__(
        self, contestant: Contestant, setting: Setting, request: Request, log: Path
    ) -> None:
        command, variables = contestant.process(setting)
        self.contestant = contestant
        self.port = setting.port
        self.request = request
        self.rows: dict[int, list[dict[str, float]]] = {}
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=variables,
                cwd=setting.folder,
                stdout=output,
                stderr=output,
            )

    def wait_until_right(self, wanted: bytes, seconds: float = 60) -> str:
        """Ask until the answer holds what it has to; returns what is wrong, or nothing."""
        problem = "it does not listen"
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            problem = self._ask(wanted)
            if not problem:
                return ""
            time.sleep(0.2)
        tail = self._log.read_bytes()[-500:].decode(errors="replace")
        return f"{problem}; its log ends: {tail}"

    def _ask(self, wanted: bytes) -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.request.path}",
            data=self.request.body,
            headers={"Content-Type": self.request.content_type},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read()[:300]!r}"
        except OSError as error:
            return str(error)
        right = self.contestant.floor or wanted in body
        return "" if right else f"expected {wanted!r} in the answer, got {body[:300]!r}"

    def send(self, number: int) -> None:
        """Send a signal to all its processes; some begin sessions of their own."""
        for pid in family(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def measure(self, concurrency: int, seconds: int, folder: Path) -> None:
        """One run of wrk."""
        body = folder / f"body-{self.port}"
        body.write_bytes(self.request.body)
        variables = {"PEER_BODY": str(body), "PEER_CONTENT_TYPE": self.request.content_type}
        command = ["taskset", "-c", "1", "wrk", "-t", "1", "-c", str(concurrency)]
        command += ["-d", f"{seconds}s", "--timeout", "10s", "-s", str(FOLDER / "post.lua")]
        self.send(signal.SIGCONT)
        spent = cpu_seconds(family(self._process.pid))
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}{self.request.path}"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        spent = cpu_seconds(family(self._process.pid)) - spent
        self.send(signal.SIGSTOP)
        line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
        row = json.loads(line.removeprefix("RESULT "))
        row["rps"] = (row["requests"] - row["failed"]) / row["seconds"]
        row["per_cpu_second"] = (row["requests"] - row["failed"]) / max(spent, 1 / TICKS)
        self.rows.setdefault(concurrency, []).append(row)

    def close(self) -> None:
        """End it, whatever it is doing."""
        self.send(signal.SIGKILL)
        self._process.wait()

    def result(self) -> dict[str, Any]:
        """Medians over the runs."""
        return {
            "contestant": self.contestant.name,
            "by_concurrency": {
                str(c): {
                    **{
                        key: statistics.median(row[key] for row in rows)
                        for key in ("rps", "per_cpu_second", "p50_ms", "p99_ms")
                    },
                    "failed": sum(row["failed"] for row in rows),
                }
                for c, rows in self.rows.items()
            },
        }


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            # pid (name) state parent ...; a name may hold spaces and brackets
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:  # grows while it is walked
        found += children.get(one, [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Processor time of processes so far: what other programs on the machine take is not in it."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # user and system
    return ticks / TICKS


def main() -> int:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", nargs="*", default=list(WANTED), choices=list(WANTED))
    parser.add_argument("--only", nargs="*", help="names of contestants, or beginnings of them")
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, medians of them")
    parser.add_argument("--output", default="build/peers.json")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {0, 1})
    results: dict[str, Any] = {"machine": describe_machine("onnxruntime", "waitress")}
    results["versions"] = versions()
    models = make_models(ROOT / "build" / "peers", arguments.scenario)
    for scenario in arguments.scenario:
        if scenario not in models:
            print(f"{scenario}: skipped, its model is not there", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            results[scenario] = measure(scenario, models[scenario], Path(folder), arguments)
        path = ROOT / arguments.output
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n")
        print(markdown(scenario, results[scenario]), flush=True)
    print(f"\n{results['machine']} {results['versions']}")
    return 0


def measure(
    scenario: str, artefact: Path, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Run all contestants of one scenario in turn."""
    running: list[Running] = []
    left_out: dict[str, str] = {}
    try:
        for number, contestant in enumerate(CONTESTANTS):
            if arguments.only and not contestant.name.startswith(tuple(arguments.only)):
                continue
            if contestant.floor and scenario != "text":
                continue
            if not contestant.python.exists():
                left_out[contestant.name] = f"no environment {contestant.environment}"
                continue
            started = start(contestant, scenario, artefact, FIRST_PORT + number, folder)
            running.append(started)
            problem = started.wait_until_right(WANTED[scenario])
            if problem:
                left_out[contestant.name] = problem
                running.pop().close()
                continue
            for concurrency in CONCURRENCIES:  # warm
                started.measure(concurrency, 1, folder)
            started.rows.clear()
        for _ in range(arguments.repeats):
            for concurrency in CONCURRENCIES:
                for one in running:
                    one.measure(concurrency, arguments.seconds, folder)
    finally:
        for one in running:
            one.close()
    for name, why in left_out.items():
        print(f"{scenario}: {name} left out: {why}", file=sys.stderr)
    bare = bare_model(scenario, artefact)
    return {"bare_model": bare, "left_out": left_out, "rows": [one.result() for one in running]}


def start(
    contestant: Contestant, scenario: str, artefact: Path, port: int, folder: Path
) -> Running:
    """Start a contestant's server."""
    name = json.loads((artefact / "manifest.json").read_text())["name"]
    photo = PHOTO.read_bytes() if scenario == "image" else b""
    request = contestant.request(scenario, name, photo)
    setting = Setting(scenario, artefact, port, folder)
    return Running(contestant, setting, request, folder / f"{port}.log")


def bare_model(scenario: str, artefact: Path) -> dict[str, float]:
    """Rows per CPU second of ONNX Runtime alone in a loop, by the rows of a call."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(artefact / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    row = {
        "text": np.array(QUESTION, object),
        "image": np.zeros((224, 224, 3), np.uint8),
        "tensor": np.array(ROW, np.float32),
    }[scenario]
    name = session.get_inputs()[0].name
    found = {}
    for rows in (1, 8, 32):
        feeds = {name: np.stack([row] * rows)}
        session.run(None, feeds)
        count, began = 0, time.process_time()
        while time.process_time() < began + 1:
            session.run(None, feeds)
            count += 1
        found[str(rows)] = rows * count / (time.process_time() - began)
    return found


def versions() -> str:
    """The version of each contestant, as its own environment says."""
    found: dict[str, str] = {}
    code = "import sys, importlib.metadata as m\nfor p in sys.argv[1:]: print(p, m.version(p))"
    for contestant in CONTESTANTS:
        if not contestant.python.exists() or not contestant.packages:
            continue
        command = [str(contestant.python), "-c", code, *contestant.packages]
        done = subprocess.run(command, capture_output=True, text=True)
        found.update(line.split() for line in done.stdout.splitlines())
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items())) + "."


def markdown(scenario: str, result: dict[str, Any]) -> str:
    """One table."""
    columns = (
        ("requests/s", "rps", ",.0f"),
        ("p99 ms", "p99_ms", ",.1f"),
        ("requests per CPU second", "per_cpu_second", ",.0f"),
    )
    lines = [
        f"| {scenario}, at {' / '.join(map(str, CONCURRENCIES))} clients | "
        + " | ".join(title for title, _, _ in columns)
        + " | failed |",
        "|---|" + "---|" * (len(columns) + 1),
    ]
    for row in result["rows"]:
        by = [row["by_concurrency"][str(c)] for c in CONCURRENCIES]
        cells = [" / ".join(format(one[key], form) for one in by) for _, key, form in columns]
        cells.append(str(sum(one["failed"] for one in by)))
        lines.append(f"| {row['contestant']} | {' | '.join(cells)} |")
    bare = [f"{result['bare_model'][str(rows)]:,.0f}" for rows in (1, 8, 32)]
    cell = " / ".join(bare)
    lines.append(f"| bare model, rows in calls of 1, 8, 32 | | | {cell} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
