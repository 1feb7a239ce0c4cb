"""The Flask applications: metadata on the scoring port, probes and metrics on the other one."""

import time
from typing import Any

import werkzeug.exceptions
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from modelserver import compat, metrics, runtime
from modelserver.access import Access
from modelserver.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestError,
    ServingError,
)
from modelserver.jsontext import encode_json, quote
from modelserver.manifest import TensorSpec
from modelserver.metrics import Metrics
from modelserver.replies import Reply, refusal, request_id
from modelserver.scorer import Scorer, State
from modelserver.scoring import REQUEST_ID

_STARTED, _CODE = "modelserver.started", "modelserver.code"


def create_app(scorer: Scorer, access: Access, historic_api: bool) -> Flask:
    """Make the application for everything on the scoring port but scoring.

    Args:
        scorer: knows the models.
        access: records answers.
        historic_api: whether `/` and `/version` answer as the reference implementation did.
    """
    app = Flask("modelserver", static_folder=None)

    @app.get("/v1/models")
    def list_models() -> Response:
        return _json({"models": scorer.repository.names()})

    @app.get("/v1/models/<name>")
    @app.get("/v1/models/<name>/versions/<version>")
    def show_model(name: str, version: str | None = None) -> Response:
        return _json(_describe(scorer, name, version))

    if historic_api:
        app.add_url_rule("/", "healthy", lambda: _text(compat.HEALTHY))
        app.add_url_rule("/version", "version", lambda: _text(runtime.runtime_version()))
    _answer_errors_in_json(app, access)
    _record_answers(app, access)
    return app


def create_management_app(scorer: Scorer, metrics_: Metrics, access: Access) -> Flask:
    """Make the application of the management port: /livez, /readyz and /metrics."""
    app = Flask("modelserver-management", static_folder=None)

    @app.get("/livez")
    def live() -> Response:
        return _json({"live": True})

    @app.get("/readyz")
    def ready() -> Response:
        is_ready = scorer.state is State.READY
        response = _json(
            {
                "ready": is_ready,
                "state": scorer.state.value,
                "models": [f"{m.name}/{m.version}" for m in scorer.repository],
            }
        )
        response.status_code = 200 if is_ready else 503
        return response

    @app.get("/metrics")
    def show_metrics() -> Response:
        return Response(metrics_.render(), content_type=metrics.CONTENT_TYPE)

    _answer_errors_in_json(app, access)
    return app


def _describe(scorer: Scorer, name: str, version: str | None) -> dict[str, Any]:
    """The metadata of one model."""
    model = scorer.find(name, version)
    manifest = model.artefact.manifest
    return {
        "name": model.name,
        "version": str(model.version),
        "versions": [str(number) for number in scorer.repository.versions(name)],
        "ready": scorer.state is State.READY,
        "task": manifest.task,
        "provider": model.provider,
        "inputs": [_tensor(spec) for spec in manifest.inputs],
        "outputs": [_tensor(spec) for spec in manifest.outputs],
        **model.task.describe(),
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _json(value: Any) -> Response:
    return Response(encode_json(value), content_type="application/json")


def _text(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8")


def _answer_errors_in_json(app: Flask, access: Access) -> None:
    """Give every error the one shape that the scoring routes use."""

    def to_response(reply: Reply) -> Response:
        request.environ[_CODE] = reply.code
        return Response(reply.body, reply.status, reply.header_list(_identity()))

    @app.errorhandler(ServingError)
    def refuse(error: ServingError) -> Response:
        return to_response(refusal(error, _identity()))

    @app.errorhandler(HTTPException)
    def translate(error: HTTPException) -> Response:
        return to_response(refusal(_as_ours(error), _identity()))

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        access.failed(_identity(), error)
        return to_response(refusal(InternalError("internal error"), _identity()))


def _as_ours(error: HTTPException) -> ServingError:
    """Say what Flask found wrong with a path or method in our own terms."""
    if isinstance(error, werkzeug.exceptions.NotFound):
        return NotFound(f"there is no path {quote(request.path)}")
    if isinstance(error, werkzeug.exceptions.MethodNotAllowed):
        allowed = tuple(error.valid_methods or ())
        wanted = ", ".join(allowed)
        return MethodNotAllowed(f"this path takes {wanted}, got {request.method[:16]}", allowed)
    return RequestError(f"{error.name}: {error.description}")


def _identity() -> str:
    """The id of the request, made here when the scoring middleware has not done so."""
    identity: str = request.environ.setdefault(REQUEST_ID, request_id(request.environ))
    return identity


def _record_answers(app: Flask, access: Access) -> None:
    """Record every answer of an application."""

    @app.before_request
    def start() -> None:
        request.environ[_STARTED] = time.perf_counter()

    @app.after_request
    def record(response: Response) -> Response:
        response.headers["X-Request-Id"] = _identity()
        access.answered(
            request_id=_identity(),
            route=request.url_rule.rule if request.url_rule else "unmatched",
            method=request.method,
            status=response.status_code,
            code=request.environ.get(_CODE, ""),
            bytes_in=request.content_length or 0,
            bytes_out=response.content_length or 0,
            started=request.environ[_STARTED],
        )
        return response
