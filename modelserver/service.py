"""The running service of one process: start, load, serve, drain, stop."""

import os
import queue
import shlex
import signal
import threading
import time
from pathlib import Path

from modelserver import __version__, v1
from modelserver.access import Access
from modelserver.allocator import return_large_blocks
from modelserver.app import create_app, scoring_routes
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.http.choice import Front, choose_front
from modelserver.http.limits import Limits
from modelserver.http.listener import bind
from modelserver.http.waitress_front import WaitressFront
from modelserver.jsontext import decode_json, encode_json
from modelserver.logs import Log, capture_library_logs
from modelserver.management import create_management_app
from modelserver.memory_budget import MemoryBudget
from modelserver.metrics import Metrics
from modelserver.model import ServedModel
from modelserver.repository import Repository
from modelserver.runtime import Device
from modelserver.scorer import Scorer
from modelserver.scoring import Scoring
from modelserver.settings import Settings
from modelserver.wsgi import ScoringApp

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""What stops the service."""

EXIT_OK, EXIT_FAILED = 0, 1

_THREADS_FOR_EACH_CPU = 4
_MANAGEMENT_THREADS = 2
_MANAGEMENT_CONNECTIONS = 100
_MANAGEMENT_BODY_BYTES = 1024
_LONGEST_EXAMPLE = 2000  # bytes of a request that the ready line still shows


class Service:
    """The running parts of one process.

    Args:
        settings: how to behave.
        log: where events go.
    """

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._metrics = Metrics()
        self._scorer = Scorer(self._metrics)
        self._access = Access(log, self._metrics)
        self._cpus = available_cpus()
        self._device = Device(
            settings.device, settings.gpu_device_id, settings.gpu_memory_limit_bytes
        )
        # What the main thread reacts to: a Repository, an error, or a signal.
        self._events: queue.SimpleQueue[Repository | ArtefactError | signal.Signals] = (
            queue.SimpleQueue()
        )

    def run(self) -> int:
        """Load, serve, drain; returns the exit code. Must run in the main thread."""
        # A handler of our own also makes the signals count for PID 1, which has no default one.
        for number in SIGNALS:
            signal.signal(number, lambda caught, _: self._events.put(signal.Signals(caught)))
        capture_library_logs(self._log)
        return_large_blocks()
        self._log("starting", version=__version__, cpus=self._cpus, pid=os.getpid())
        try:
            management = self._listen_management()
            scoring = self._listen_scoring()
        except OSError as error:
            self._log("failed", error=f"cannot listen: {error}")
            return EXIT_FAILED
        management.start()
        scoring.start()
        threading.Thread(target=self._load, name="load", daemon=True).start()

        event = self._events.get()
        if isinstance(event, Repository):
            self._open(event, scoring, management)
            event = self._events.get()
        if isinstance(event, signal.Signals):
            self._drain(event, scoring)
            management.stop(timeout_seconds=1)
            self._log("stopped")
            return EXIT_OK
        self._log("failed", error=str(event))
        return EXIT_FAILED

    def _listen_management(self) -> WaitressFront:
        app = create_management_app(self._scorer, self._metrics, self._access)
        # Never in one loop with scoring: a probe must not wait for a model.
        return WaitressFront(
            app,
            bind(self._settings.host, self._settings.management_port),
            threads=_MANAGEMENT_THREADS,
            limits=self._limits(_MANAGEMENT_BODY_BYTES, _MANAGEMENT_CONNECTIONS),
        )

    def _listen_scoring(self) -> Front:
        settings = self._settings
        app = create_app(self._scorer, self._access, settings.historic_api, settings.max_instances)
        scoring = Scoring(
            self._scorer,
            self._access,
            scoring_routes(settings.historic_api),
            max_body_bytes=settings.max_body_bytes,
            max_instances=settings.max_instances,
        )
        return choose_front(settings.http_server)(
            ScoringApp(app.wsgi_app, scoring),
            bind(settings.host, settings.port),
            threads=settings.threads or _THREADS_FOR_EACH_CPU * self._cpus,
            limits=self._limits(settings.max_body_bytes, settings.max_connections),
        )

    def _limits(self, max_body_bytes: int, max_connections: int) -> Limits:
        return Limits(
            max_body_bytes=max_body_bytes,
            max_connections=max_connections,
            idle_timeout_seconds=self._settings.idle_timeout_seconds,
            header_timeout_seconds=self._settings.header_timeout_seconds,
        )

    def _load(self) -> None:
        """Load every model and report the outcome to the main thread."""
        try:
            self._events.put(
                Repository.load(
                    Path(self._settings.models),
                    self._settings.model_threads or self._cpus,
                    self._model_loaded,
                    self._device,
                    MemoryBudget(self._settings.image_memory_bytes),
                )
            )
        except ArtefactError as error:
            self._events.put(error)
        except Exception as error:
            self._access.failed("", error)
            self._events.put(ArtefactError(f"{self._settings.models}: internal error"))

    def _model_loaded(self, model: ServedModel) -> None:
        self._metrics.model_loaded(model)
        self._log(
            "model_loaded",
            model=model.name,
            version=str(model.version),
            device=self._settings.device,
            provider=model.provider,
            golden_error=model.golden_error,
        )

    def _open(self, repository: Repository, scoring: Front, management: WaitressFront) -> None:
        """Begin to score and say how to ask."""
        self._scorer.open(repository)
        host = self._settings.host
        host = "localhost" if host in ("0.0.0.0", "::") else host
        url = f"http://{host}:{scoring.port}"
        self._log(
            "ready",
            url=url,
            management_url=f"http://{host}:{management.port}",
            **{f"try_{name}": _curl(url, repository.get(name)) for name in repository.names()},
        )

    def _drain(self, cause: signal.Signals, scoring: Front) -> None:
        """Let load balancers look away, finish what was accepted, then close."""
        # Ctrl-C comes from a person, who has no load balancer and does not want to wait.
        delay = 0.0 if cause == signal.SIGINT else self._settings.drain_delay_seconds
        self._log("draining", signal=cause.name, delay_seconds=delay)
        self._scorer.start_draining()
        scoring.announce_stop()
        time.sleep(delay)
        self._scorer.close()
        if not self._scorer.wait_until_idle(self._settings.drain_timeout_seconds):
            self._log("drain_timeout", seconds=self._settings.drain_timeout_seconds)
        scoring.stop(timeout_seconds=self._settings.drain_timeout_seconds)


def _curl(url: str, model: ServedModel) -> str:
    """A command that sends the model's golden request."""
    golden = model.artefact.golden()
    data = f"@{model.artefact.folder / golden.name}"
    if golden.content_type == v1.JSON and len(golden.request) <= _LONGEST_EXAMPLE:
        data = encode_json(decode_json(golden.request)).decode()
    return (
        f"curl -s {url}/v1/models/{model.name}:predict "
        f"-H 'Content-Type: {golden.content_type}' --data-binary {shlex.quote(data)}"
    )
