"""New versions under load: does any request fail, and is every answer of the version it names?

    python benchmarks/rolling.py [--seconds 60] [--clients 32] [--workers 1] [--http-server NAME]

Clients on open connections ask for the newest version as fast as they can. Each second a new
version is published and loaded, and the oldest of three is removed. Version N multiplies by N, so
each answer can be checked against the version it names. The first seconds, without reloads, are
the base of the latencies. Exit code 1 when a request failed or an answer was wrong.
"""

import argparse
import http.client
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from machine import describe_machine
from versions import MODEL, Server, publish_version

_CALM_SECONDS = 10.0
_KEPT = 3  # versions at a time
_EACH_SECONDS = 1.0


@dataclass
class Tally:
    """What one client has seen; `calm` and `rolling` are latencies in seconds."""

    calm: list[float] = field(default_factory=list)
    rolling: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)


@dataclass
class Stage:
    """What all clients look at."""

    url: str
    is_rolling: bool = False
    is_over: bool = False


def ask_on(stage: Stage, tally: Tally, seed: int) -> None:
    """Ask until the end, on one connection for as long as the server keeps it open."""
    dice = random.Random(seed)
    address = urllib.parse.urlsplit(stage.url).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    while not stage.is_over:
        latencies = tally.rolling if stage.is_rolling else tally.calm
        value = dice.randrange(1000)
        started = time.perf_counter()
        try:
            connection.request(
                "POST",
                f"/v1/models/{MODEL}:predict",
                json.dumps({"instances": [value]}),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            tally.failed.append(repr(error))
            connection.close()
            continue
        latencies.append(time.perf_counter() - started)
        if response.status != 200:
            tally.failed.append(f"{response.status} {body!r}")
            continue
        answer = json.loads(body)
        version = int(answer["model_version"])
        tally.versions.add(version)
        if answer["predictions"] != [value * version]:
            tally.failed.append(f"wrong: {value} -> {body!r}")
    connection.close()


def roll(folder: Path, server: Server, seconds: float) -> int:
    """Publish and load a version each second; returns how many there were."""
    end = time.monotonic() + seconds
    newest = 1
    while time.monotonic() < end:
        due = time.monotonic() + _EACH_SECONDS
        newest += 1
        publish_version(folder, newest)
        if newest > _KEPT:
            shutil.rmtree(folder / MODEL / str(newest - _KEPT))
        server.order("load")
        time.sleep(max(0.0, due - time.monotonic()))
    return newest


def main() -> int:
    """Run and print a row; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long versions roll [60]")
    parser.add_argument("--clients", type=int, default=32, help="connections [32]")
    parser.add_argument("--workers", type=int, default=1, help="processes of the server [1]")
    parser.add_argument("--http-server", default="waitress", help="its HTTP front [waitress]")
    given = parser.parse_args()
    tallies = [Tally() for _ in range(given.clients)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        publish_version(folder, 1)
        flags = ("--workers", str(given.workers), "--http-server", given.http_server)
        with Server(folder, *flags) as server:
            stage = Stage(server.url)
            threads = [
                threading.Thread(target=ask_on, args=(stage, tally, seed))
                for seed, tally in enumerate(tallies)
            ]
            for thread in threads:
                thread.start()
            try:
                time.sleep(_CALM_SECONDS)
                stage.is_rolling = True
                newest = roll(folder, server, given.seconds)
            finally:
                stage.is_over = True
            for thread in threads:
                thread.join()
            code = server.stop()
    return _report(tallies, newest, given, code)


def _report(tallies: list[Tally], newest: int, given: argparse.Namespace, code: int) -> int:
    calm = [seconds for tally in tallies for seconds in tally.calm]
    rolling = [seconds for tally in tallies for seconds in tally.rolling]
    failed = [text for tally in tallies for text in tally.failed]
    versions = set().union(*(tally.versions for tally in tallies))
    print(
        "| front | workers | clients | versions loaded | versions seen | requests | failed or "
        "wrong | calm p50 / p99, ms | rolling p50 / p99, ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {given.http_server} | {given.workers} | {given.clients} | {newest} | {len(versions)} "
        f"| {len(calm) + len(rolling)} | {len(failed)} | {_quantiles(calm)} "
        f"| {_quantiles(rolling)} |"
    )
    print(f"\n{describe_machine('onnxruntime', 'waitress')}")
    for text in failed[:10]:
        print(text, file=sys.stderr)
    return int(bool(failed or code))


def _quantiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"{cuts[49] * 1000:.1f} / {cuts[98] * 1000:.1f}"


if __name__ == "__main__":
    sys.exit(main())
