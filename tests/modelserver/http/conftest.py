"""Both HTTP fronts in this process, in front of a small application, and a bare socket client."""

import http.client
import io
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelserver.access import Access
from modelserver.app import scoring_routes
from modelserver.auth.guard import OPEN, Guard
from modelserver.http.choice import Front, choose_front
from modelserver.http.limits import Limits
from modelserver.http.listener import bind
from modelserver.metrics import Metrics
from modelserver.model import ModelLimits
from modelserver.repository import Loader, Repository
from modelserver.scorer import Scorer
from modelserver.scoring import Scoring

FRONTS = ("waitress", "asyncio")
MAX_BODY_BYTES = 100_000
LARGE = 20_000_000


@dataclass
class Application:
    """Says what reached it; some paths wait, fail, or answer much."""

    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)
    calls: list[str] = field(default_factory=list)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.calls.append(path)
        body = environ["wsgi.input"].read()
        if path == "/fail":
            raise ValueError("a secret of the application")
        if path == "/wait":
            self.entered.release()
            assert self.go_on.wait(60)
        if path == "/large":
            content = b"x" * LARGE
        else:
            texts = {name: text for name, text in environ.items() if isinstance(text, str)}
            content = json.dumps({**texts, "body": body.decode("latin-1")}).encode()
        start_response("200 OK", [("Content-Type", "x/y"), ("Content-Length", str(len(content)))])
        return [content]


@dataclass
class Running:
    """A front and what stands behind it."""

    front: Front
    app: Application
    stopped: bool = False

    def stop(self, timeout_seconds: float = 30) -> None:
        """Stop once."""
        if not self.stopped:
            self.stopped = True
            self.front.stop(timeout_seconds)

    def connect(self, timeout: float = 30) -> "Client":
        """Open a connection."""
        return Client(socket.create_connection(("127.0.0.1", self.front.port), timeout))

    def ask(self, request: bytes) -> "Answer":
        """Send one request on a connection of its own."""
        with self.connect() as client:
            client.send(request)
            return client.read()


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A connection that sends exactly the bytes it is told to."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._file = connection.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next line of what came, or nothing at the end."""
        return self._file.readline()

    def read(self, head: bool = False) -> Answer:
        """The next response."""
        version, status, _ = self.line().decode().split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1")
        lines = b"".join(iter(self.line, b"\r\n")) + b"\r\n"
        headers = dict(http.client.parse_headers(io.BytesIO(lines)).items())
        body = b"" if head else self._file.read(int(headers["Content-Length"]))
        return Answer(int(status), headers, body)

    def at_end(self) -> bool:
        """Wait for the server to close; False when it sends something instead."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture(params=FRONTS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a front."""
    if request.param == "asyncio":
        pytest.importorskip("httptools", reason="needs the extra `fast`")
        pytest.importorskip("uvloop", reason="needs the extra `fast`")
    name: str = request.param
    return name


@pytest.fixture
def start(kind: str) -> Iterator[Callable[..., Running]]:
    """Start fronts that end with the test."""
    running: list[Running] = []

    def start_front(threads: int = 4, **limits: float) -> Running:
        given = {
            "max_body_bytes": MAX_BODY_BYTES,
            "max_connections": 100,
            "idle_timeout_seconds": 60,
            "header_timeout_seconds": 60,
        }
        app = Application()
        front = choose_front(kind)(
            app, None, bind("127.0.0.1", 0), threads=threads, limits=Limits(**{**given, **limits})
        )
        front.start()
        running.append(Running(front, app))
        return running[-1]

    yield start_front
    for each in running:
        each.app.go_on.set()
        each.stop(timeout_seconds=5)


@pytest.fixture
def front(start: Callable[..., Running]) -> Running:
    """A running front."""
    return start()


@dataclass
class Gate:
    """Holds the runs of a model until it is opened."""

    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)

    def await_run(self) -> None:
        """Wait until a run is being held."""
        assert self.entered.acquire(timeout=30)

    def open(self) -> None:
        """Let all runs go on, those to come included."""
        self.go_on.set()


@dataclass
class Scored:
    """A front that scores with real models, and what it recorded."""

    front: Front
    scorer: Scorer
    events: "queue.SimpleQueue[dict[str, Any]]"
    gates: list[Gate] = field(default_factory=list)
    stopped: bool = False

    def stop(self) -> None:
        """Stop once."""
        if not self.stopped:
            self.stopped = True
            self.front.stop(timeout_seconds=30)

    def connect(self) -> Client:
        """Open a connection."""
        return Client(socket.create_connection(("127.0.0.1", self.front.port), 30))

    def next_record(self) -> dict[str, Any]:
        """The record of the next request that ended."""
        return self.events.get(timeout=30)

    def hold(self, name: str) -> Gate:
        """Have each run of a model wait: the test says how long it takes, not the machine."""
        batcher = self.scorer.find(name, None).batcher
        run, gate = batcher._run, Gate()

        def wait_and_run(*arguments: Any) -> Any:
            gate.entered.release()
            assert gate.go_on.wait(60)
            return run(*arguments)

        batcher._run = wait_and_run
        self.gates.append(gate)
        return gate


@pytest.fixture
def start_scoring(kind: str) -> Iterator[Callable[..., Scored]]:
    """Start fronts that score with the models of a folder."""
    running: list[Scored] = []

    def start_front(models: Path, max_batch_rows: int = 0, guard: Guard = OPEN) -> Scored:
        metrics = Metrics()
        scorer = Scorer(metrics)
        events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        access = Access(
            lambda event, **fields: events.put(
                {**fields, "thread": threading.current_thread().name}
            ),
            metrics,
        )
        scoring = Scoring(
            scorer,
            access,
            scoring_routes(historic_api=True),
            max_body_bytes=MAX_BODY_BYTES,
            max_instances=1000,
            guard=guard,
        )
        limits = Limits(MAX_BODY_BYTES, 100, 60, 60)
        front = choose_front(kind)(
            Application(), scoring, bind("127.0.0.1", 0), threads=16, limits=limits
        )
        front.start()
        loader = Loader(models, threads=1, limits=ModelLimits(max_batch_rows=max_batch_rows))
        scorer.open(Repository.load(loader, lambda model: None))
        running.append(Scored(front, scorer, events))
        return running[-1]

    yield start_front
    for each in running:
        for gate in each.gates:
            gate.open()
        each.stop()
        for model in each.scorer.repository:
            model.close()
