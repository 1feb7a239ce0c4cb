"""The scoring half of a process: its models, its scoring port, its drain."""

import gc
import shlex
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from modelserver import v1
from modelserver.access import Access
from modelserver.app import create_app, scoring_routes
from modelserver.auth.guard import Guard
from modelserver.auth.keys import KeyDirectory
from modelserver.auth.limits import ClientLimits
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.http.choice import Front, choose_front
from modelserver.http.limits import Limits
from modelserver.jsontext import decode_json, encode_json
from modelserver.load_record import INTERNAL_ERROR, LoadRecord
from modelserver.logs import Log
from modelserver.memory_budget import MemoryBudget
from modelserver.metrics import Metrics
from modelserver.model import ModelLimits, ServedModel
from modelserver.reloading import Reloader
from modelserver.repository import Loader, Repository
from modelserver.runtime import Device
from modelserver.scorer import Scorer
from modelserver.scoring import Scoring
from modelserver.settings import Settings
from modelserver.timeouts import Timeouts
from modelserver.tracing import choose_spans

_SPARE_THREADS = 8  # answer what is not scoring, and refuse large bodies
_LONGEST_EXAMPLE = 2000  # bytes of a request that the ready line still shows


class Serving:
    """Everything of one process that scores.

    Args:
        settings: how to behave.
        log: where events go.
        listener: the bound socket of the scoring port.
        changed: called when other models are served than before.
    """

    def __init__(
        self,
        settings: Settings,
        log: Log,
        listener: socket.socket,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._log = log
        self._changed = changed
        self._cpus = max(1, available_cpus() // settings.workers)
        self.metrics = Metrics()
        self.scorer = Scorer(self.metrics, settings.max_inflight_requests, settings.allow_no_models)
        spans = choose_spans(settings.otlp_endpoint)
        self._spans = spans(settings.otlp_endpoint) if spans else None
        self.access = Access(log, self.metrics, self._spans.record if self._spans else None)
        self.reloader = self._make_reloader()
        self.http = self._make_http(listener)

    def start_loading(self, report: Callable[[ArtefactError | None], object]) -> None:
        """Load every model in a thread of its own.

        Args:
            report: called from there, with what was wrong or None.
        """

        def load() -> None:
            try:
                self.reloader.start()
                report(None)
            except ArtefactError as error:
                report(error)
            except Exception as error:
                self.access.failed("", error)
                report(ArtefactError(f"{self._settings.models}: {INTERNAL_ERROR}"))

        threading.Thread(target=load, name="load", daemon=True).start()

    def open(self) -> None:
        """Begin to score, and to look after the models, once they are loaded."""
        # The collector of garbage stops the process for 20 ms and more when it looks through all
        # that was made so far, most of which stays; models go by their counts of references.
        gc.collect()
        gc.freeze()
        self.scorer.open(self.reloader.serving)
        self.reloader.watch()

    def start_draining(self) -> None:
        """Be ready no more, and have clients open their next connection elsewhere."""
        self.reloader.stop()
        self.scorer.start_draining()
        self.http.announce_stop()

    def drain(self, delay_seconds: float) -> None:
        """Let load balancers look away, finish what was accepted, then close."""
        time.sleep(delay_seconds)
        self.scorer.close()
        timeout = self._settings.drain_timeout_seconds
        if not self.scorer.wait_until_idle(timeout):
            self._log("drain_timeout", seconds=timeout)
        self.http.stop(timeout_seconds=timeout)
        if self._spans:
            self._spans.close()

    def examples(self) -> dict[str, str]:
        """For each model a command that sends its golden request."""
        url = url_of(self._settings, self.http.port)
        repository = self.reloader.serving
        return {f"try_{name}": _curl(url, repository.get(name)) for name in repository.names()}

    def _replace(self, repository: Repository) -> None:
        self.scorer.replace(repository)
        self._changed()

    def _make_reloader(self) -> Reloader:
        settings = self._settings
        loader = Loader(
            Path(settings.models),
            settings.model_threads or max(1, self._cpus // settings.instances),
            Device(settings.device, settings.gpu_device_id, settings.gpu_memory_limit_bytes),
            MemoryBudget(settings.image_memory_bytes),
            ModelLimits(
                settings.max_batch_rows,
                settings.max_queue_rows,
                settings.instances,
                settings.max_batch_delay_seconds,
            ),
        )
        return Reloader(
            loader,
            self._replace,
            LoadRecord(self._log, self.metrics),
            allow_none=settings.allow_no_models,
            poll_seconds=settings.repository_poll_seconds,
        )

    def _make_guard(self) -> Guard:
        settings = self._settings
        limits = ClientLimits(settings.client_requests_per_second, settings.client_max_inflight)
        keys = None
        if settings.api_keys_dir:
            keys = KeyDirectory(Path(settings.api_keys_dir), self._keys_changed)
        return Guard(keys, limits)

    def _keys_changed(self, problem: str) -> None:
        """Say that the key folder was read again, or why the keys from before still count."""
        self.metrics.keys_read(not problem)
        if problem:
            self._log("keys_refused", error=problem)
        else:
            self._log("keys_changed")

    def _make_http(self, listener: socket.socket) -> Front:
        settings = self._settings
        guard = self._make_guard()
        app = create_app(
            self.scorer,
            self.access,
            guard,
            historic_api=settings.historic_api,
            demo=settings.demo,
            max_rows=settings.max_instances,
        )
        scoring = Scoring(
            self.scorer,
            self.access,
            scoring_routes(settings.historic_api),
            max_body_bytes=settings.max_body_bytes,
            max_instances=settings.max_instances,
            timeouts=Timeouts(settings.default_timeout_seconds, settings.max_timeout_seconds),
            guard=guard,
        )
        return choose_front(settings.http_server)(
            app.wsgi_app,
            scoring,
            listener,
            threads=settings.max_inflight_requests + _SPARE_THREADS,
            limits=front_limits(settings, settings.max_body_bytes, settings.max_connections),
        )


def front_limits(settings: Settings, max_body_bytes: int, max_connections: int) -> Limits:
    """The bounds of a port."""
    return Limits(
        max_body_bytes=max_body_bytes,
        max_connections=max_connections,
        idle_timeout_seconds=settings.idle_timeout_seconds,
        header_timeout_seconds=settings.header_timeout_seconds,
    )


def url_of(settings: Settings, port: int) -> str:
    """Where a port of this server can be asked from this machine."""
    host = "localhost" if settings.host in ("0.0.0.0", "::") else settings.host
    return f"http://{host}:{port}"


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
