"""Does memory stay where it is? A server under a mix of good, bad, slow and aborted requests.

    python benchmarks/soak.py --models build/demo --minutes 30 --keys
    python benchmarks/soak.py --models build/demo --requests 1000000 --minutes 60 --kinds good
    python benchmarks/soak.py --requests 50000 --kinds good

Serves the model in a real process; clients in other processes keep asking. Without --models a small
network for images stands in. With --keys the server wants API keys and each client sends its own;
strangers send a wrong one. Resident memory and descriptors are read every second. Prints the memory
at the beginning and at the end, its slope with the standard error, the same of the last third alone
(which tells a rise that ends from one that does not), and the answers by status.
"""

import argparse
import multiprocessing
import random
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

from image_overhead import make_photo, publish_stand_in
from machine import describe_machine

from modelserver.artefact import Artefact
from modelserver.artefact_folders import find_artefacts
from modelserver.auth.keys import digest, new_key
from modelserver.profiling.load import golden_request, predict_request
from modelserver.profiling.trial import Trial

WARM_UP_SHARE = 0.2  # of the samples: caches fill and the allocator takes what it keeps
RECEIVE_BYTES = 65536
RIGHT = {"good": "200", "slow": "200", "bad": "4", "lost": "404", "stranger": "403", "aborted": ""}
"""How the status begins that each kind of request must get; nothing is known of the aborted."""

ClientArguments = tuple[tuple[str, int], bytes, str]


class Client:
    """One caller; each kind of request is a method that leaves the connection usable or closed.

    Args:
        address: of the server.
        good: a request that is answered 200, without a key.
        key: the API key; empty for a server that wants none.
    """

    def __init__(self, address: tuple[str, int], good: bytes, key: str) -> None:
        self._address = address
        self._path = good.split(b" ", 2)[1].decode()
        self._key = f"X-API-Key: {key}\r\n" if key else ""
        self._good = good.replace(b"\r\n", f"\r\n{self._key}".encode(), 1)
        self._wrong_key = good.replace(b"\r\n", f"\r\nX-API-Key: {new_key()}\r\n".encode(), 1)
        self._random = random.Random()
        self._connection: socket.socket | None = None

    def good(self) -> str:
        """A request of the kind that the service is for."""
        return self._exchange(self._good)

    def bad(self) -> str:
        """A request that must be refused."""
        body = self._random.choice(
            [b"{", b'{"instances": [7]}', b"[" * 500, b"\xff" * 2000, b'{"instances": []}']
        )
        return self._exchange(
            f"POST {self._path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"{self._key}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )

    def lost(self) -> str:
        """A path that does not exist, a new one each time."""
        path = f"/{self._random.random()}"
        return self._exchange(f"GET {path} HTTP/1.1\r\nHost: x\r\n{self._key}\r\n".encode())

    def stranger(self) -> str:
        """A good request with a key that is nobody's."""
        return self._exchange(self._wrong_key)

    def slow(self) -> str:
        """A request that arrives in pieces."""
        connection = self._connect()
        for i in range(0, len(self._good), len(self._good) // 4 + 1):
            connection.sendall(self._good[i : i + len(self._good) // 4 + 1])
            time.sleep(0.02)
        return self._read(connection)

    def aborted(self) -> str:
        """A caller that hangs up in the middle of its request, or before the answer."""
        connection = self._connect()
        whole = self._random.random() < 0.5
        connection.sendall(self._good if whole else self._good[: len(self._good) // 2])
        self._close()
        return "aborted"

    def _exchange(self, request: bytes) -> str:
        connection = self._connect()
        connection.sendall(request)
        return self._read(connection)

    def _read(self, connection: socket.socket) -> str:
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = connection.recv(RECEIVE_BYTES)
            if not chunk:
                self._close()
                return "closed"
            answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(headers.get(b"content-length", b"0")):
            body += connection.recv(RECEIVE_BYTES)
        if headers.get(b"connection") == b"close":
            self._close()
        return head[9:12].decode()

    def _connect(self) -> socket.socket:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=60)
        return self._connection

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


class Crowd:
    """Clients in processes of their own: threads would wait for each other, not for the server.

    Args:
        arguments: of Client.
        kinds: what they ask, at random.
        count: how many there are.
        requests: how many they ask in all; -1: until they are told to stop.
    """

    def __init__(
        self, arguments: ClientArguments, kinds: list[str], count: int, requests: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._results = context.SimpleQueue()
        share = -(-requests // count) if requests > 0 else -1
        self._processes = [
            context.Process(
                target=_ask, args=(arguments, kinds, share, self._stop, self._results), daemon=True
            )
            for _ in range(count)
        ]
        for process in self._processes:
            process.start()

    @property
    def busy(self) -> bool:
        """Whether any of them still asks."""
        return any(process.is_alive() for process in self._processes)

    def end(self) -> Counter[str]:
        """Have them stop; returns how often each kind of request got each answer."""
        self._stop.set()
        return sum((self._results.get() for _ in self._processes), Counter())


def _ask(
    arguments: ClientArguments,
    kinds: list[str],
    most: int,
    stop: "multiprocessing.synchronize.Event",
    results: "multiprocessing.SimpleQueue[Counter[str]]",
) -> None:
    """Be one client."""
    client = Client(*arguments)
    answers: Counter[str] = Counter()
    left = most
    while left and not stop.is_set():
        kind = random.choice(kinds)
        try:
            answer = getattr(client, kind)()
        except OSError as error:
            answer = type(error).__name__
        answers[f"{kind} {answer}"] += 1
        left -= 1
    results.put(answers)


def sample(process: int) -> tuple[int, int]:
    """Resident bytes and open descriptors of a process."""
    status = Path(f"/proc/{process}/statm").read_text().split()
    return int(status[1]) * 4096, len(list(Path(f"/proc/{process}/fd").iterdir()))


def slope(seconds: list[float], values: list[float]) -> tuple[float, float]:
    """The least-squares slope of values over time, and its standard error."""
    line = statistics.linear_regression(seconds, values)
    rest = [v - line.slope * s - line.intercept for s, v in zip(seconds, values, strict=True)]
    spread = sum((s - statistics.fmean(seconds)) ** 2 for s in seconds)
    return line.slope, (sum(r * r for r in rest) / max(1, len(rest) - 2) / spread) ** 0.5


def report(front: str, samples: list[tuple[float, int, int]], answers: Counter[str]) -> None:
    """Print what was seen."""
    settled = samples[int(len(samples) * WARM_UP_SHARE) :]
    times = [s[0] for s in settled]
    first, last = settled[: len(settled) // 10 or 1], settled[-(len(settled) // 10 or 1) :]
    memory = [s[1] / 2**20 for s in settled]
    rises = [slope(times[i:], memory[i:]) for i in (0, len(settled) * 2 // 3)]
    begin, end = (statistics.median(s[1] for s in part) / 2**20 for part in (first, last))
    descriptors = [statistics.median(s[2] for s in part) for part in (first, last)]
    print(
        "\n| server | requests | minutes | MB, warm | MB, end | MB an hour | in the last third "
        "| descriptors |\n|---|---|---|---|---|---|---|---|"
    )
    cells = [
        *(front, f"{sum(answers.values()):,}", f"{samples[-1][0] / 60:.1f}"),
        *(f"{begin:.1f}", f"{end:.1f}"),
        *(f"{rise * 3600:+.2f} ± {error * 3600:.2f}" for rise, error in rises),
        f"{descriptors[0]:g} -> {descriptors[1]:g}",
    ]
    print("| " + " | ".join(cells) + " |")
    print("\nAnswers: " + ", ".join(f"{name} {count:,}" for name, count in sorted(answers.items())))
    print(describe_machine("onnxruntime", "waitress"))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, help="default: a small network for images")
    parser.add_argument("--photo", type=Path, help="what good requests send to an image model")
    parser.add_argument("--http-server", default="waitress")
    parser.add_argument("--keys", action="store_true", help="have the server want API keys")
    parser.add_argument("--minutes", type=float, default=30, help="at most")
    parser.add_argument("--requests", type=int, default=-1, help="stop after so many")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--kinds", default="", help="of requests [all; strangers with --keys only]")
    arguments = parser.parse_args()
    if not arguments.kinds:
        arguments.kinds = "good,good,good,bad,lost,slow,aborted" + ",stranger" * arguments.keys
    return arguments


def main() -> int:
    """Run the soak; returns 1 when a request had another answer than it must have."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        models = arguments.models or publish_stand_in(Path(folder))
        artefact = Artefact.open(find_artefacts(models)[0])
        request = golden_request(artefact)
        if arguments.photo or not arguments.models:
            photo = arguments.photo.read_bytes() if arguments.photo else make_photo()
            request = predict_request(artefact, "application/octet-stream", photo)
        settings, key = {"http_server": arguments.http_server}, ""
        if arguments.keys:
            key, keys = new_key(), Path(folder, "keys")
            keys.mkdir()
            (keys / "soak").write_text(digest(key).hex())
            settings["api_keys_dir"] = str(keys)
        with Trial(artefact.folder, settings) as trial:
            crowd = Crowd(
                (trial.address, request, key),
                arguments.kinds.split(","),
                arguments.clients,
                arguments.requests,
            )
            samples = watch(crowd, trial.pid, arguments.minutes * 60)
            answers = crowd.end()
            ready = f"http://{trial.address[0]}:{trial.address[1]}/v2/health/ready"
            alive = urlopen(ready).status
    report(arguments.http_server, samples, answers)
    wrong = [a for a in answers if not a.split()[1].startswith(RIGHT[a.split()[0]])]
    return int(alive != 200 or bool(wrong))


def watch(crowd: Crowd, process: int, most_seconds: float) -> list[tuple[float, int, int]]:
    """Seconds, resident bytes and descriptors of every second while clients ask."""
    started, samples = time.monotonic(), []
    while crowd.busy and time.monotonic() - started < most_seconds:
        time.sleep(1)
        samples.append((time.monotonic() - started, *sample(process)))
    return samples


if __name__ == "__main__":
    sys.exit(main())
