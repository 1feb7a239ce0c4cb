"""The Flask application of the management port: probes, metrics and repository control."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from flask import Flask, Response, request

from modelserver import metrics
from modelserver.access import Access
from modelserver.errors import InvalidInput
from modelserver.jsontext import decode_json, show
from modelserver.metrics import Metrics
from modelserver.pages import answer_errors_in_json, json_page
from modelserver.reloading import Reloader
from modelserver.repository_index import READY, Entry
from modelserver.scorer import Scorer

_UNLOAD_DEPENDENTS = "unload_dependents"  # clients always send it; no model depends on another


class Managed(Protocol):
    """What the management port asks and orders, of one process or of several."""

    def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether requests should be sent here, and why."""

    def metrics(self) -> bytes:
        """All metrics in the Prometheus text format."""

    def index(self) -> list[Entry]:
        """Every version and its state."""

    def load(self, name: str) -> None:
        """Load a model from the folder; raises what `Reloader.load` raises."""

    def unload(self, name: str) -> None:
        """Stop serving a model; raises what `Reloader.unload` raises."""


@dataclass(frozen=True, slots=True)
class OneProcess:
    """The management of a server that is this process."""

    scorer: Scorer
    all_metrics: Metrics
    reloader: Reloader

    def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """The state and the models."""
        models = [f"{model.name}/{model.version}" for model in self.scorer.repository]
        return self.scorer.ready, {"state": self.scorer.state.value, "models": models}

    def metrics(self) -> bytes:
        """The metrics of this process."""
        return self.all_metrics.render()

    def index(self) -> list[Entry]:
        """The versions of the folder and of the memory."""
        return self.reloader.index()

    def load(self, name: str) -> None:
        """Load a model."""
        self.reloader.load(name)

    def unload(self, name: str) -> None:
        """Unload a model."""
        self.reloader.unload(name)


def create_management_app(managed: Managed, access: Access) -> Flask:
    """Make the application of the management port.

    Args:
        managed: the server.
        access: records faults.
    """
    app = Flask("modelserver-management", static_folder=None)

    @app.get("/livez")
    def live() -> Response:
        return json_page({"live": True})

    @app.get("/readyz")
    def ready() -> Response:
        is_ready, details = managed.readiness()
        return json_page({"ready": is_ready, **details}, 200 if is_ready else 503)

    @app.get("/metrics")
    def show_metrics() -> Response:
        return Response(managed.metrics(), content_type=metrics.CONTENT_TYPE)

    _add_repository(app, managed)
    answer_errors_in_json(app, access)
    return app


def _add_repository(app: Flask, managed: Managed) -> None:
    """Add the model repository extension of the Open Inference Protocol."""

    @app.post("/v2/repository/index")
    def index() -> Response:
        only_ready = _read_ready(request.get_data())
        entries = [asdict(e) for e in managed.index() if e.state == READY or not only_ready]
        return json_page(entries)

    @app.post("/v2/repository/models/<name>/load")
    def load(name: str) -> Response:
        return order(name, "load", managed.load)

    @app.post("/v2/repository/models/<name>/unload")
    def unload(name: str) -> Response:
        return order(name, "unload", managed.unload, _UNLOAD_DEPENDENTS)

    def order(name: str, what: str, obey: Callable[[str], None], *allowed: str) -> Response:
        _refuse_parameters(request.get_data(), what, allowed)
        obey(name)
        return json_page({})


def _read_ready(body: bytes) -> bool:
    """Whether an index request wants ready versions only."""
    content = _read_object(body, "ready")
    only_ready = content.get("ready", False)
    if not isinstance(only_ready, bool):
        raise InvalidInput(f"ready: expected true or false, got {show(only_ready)}")
    return only_ready


def _refuse_parameters(body: bytes, what: str, allowed: tuple[str, ...]) -> None:
    """Refuse what would say how to load: a model is what its folder holds, and nothing else."""
    parameters = _read_object(body, "parameters").get("parameters", {})
    if not isinstance(parameters, dict):
        raise InvalidInput(f"parameters: expected an object, got {show(parameters)}")
    for name in parameters:
        if name not in allowed:
            raise InvalidInput(
                f"parameters: {what} takes {' and '.join(allowed) or 'none'}, got {name[:60]!r}; "
                "a model is configured, and its files are put, in the models folder only"
            )


def _read_object(body: bytes, key: str) -> Mapping[str, Any]:
    """Read a body that may have one key; an empty body has none."""
    content = decode_json(body) if body.strip() else {}
    if not isinstance(content, dict):
        raise InvalidInput(f"body: expected an object, got {show(content)}")
    for name in content:
        if name != key:
            raise InvalidInput(f"body: expected at most {key!r}, got {name[:60]!r}")
    return content
