"""The Flask applications: metadata on the scoring port, probes and metrics on the other one."""

from typing import Any

from flask import Flask, Response

from modelserver import compat, metrics, runtime, scoring
from modelserver.access import Access
from modelserver.manifest import TensorSpec
from modelserver.metrics import Metrics
from modelserver.oip import infer
from modelserver.oip.pages import oip_pages
from modelserver.pages import answer_errors_in_json, json_page, record_answers, text_page
from modelserver.scorer import Scorer, State
from modelserver.scoring import Route


def scoring_routes(historic_api: bool) -> tuple[Route, ...]:
    """The scoring paths of the server.

    Args:
        historic_api: whether the reference implementation's are among them.
    """
    return (*scoring.ROUTES, *infer.ROUTES, *(compat.ROUTES if historic_api else ()))


def create_app(scorer: Scorer, access: Access, historic_api: bool, max_rows: int) -> Flask:
    """Make the application for everything on the scoring port but scoring.

    Args:
        scorer: knows the models.
        access: records answers.
        historic_api: whether `/` and `/version` answer as the reference implementation did.
        max_rows: most rows of a request.
    """
    app = Flask("modelserver", static_folder=None)

    @app.get("/v1/models")
    def list_models() -> Response:
        return json_page({"models": scorer.repository.names()})

    @app.get("/v1/models/<name>")
    @app.get("/v1/models/<name>/versions/<version>")
    def show_model(name: str, version: str | None = None) -> Response:
        return json_page(_describe(scorer, name, version))

    app.register_blueprint(oip_pages(scorer, max_rows))
    if historic_api:
        app.add_url_rule("/", "healthy", lambda: text_page(compat.HEALTHY))
        app.add_url_rule("/version", "version", lambda: text_page(runtime.runtime_version()))
    answer_errors_in_json(app, access)
    record_answers(app, access)
    return app


def create_management_app(scorer: Scorer, metrics_: Metrics, access: Access) -> Flask:
    """Make the application of the management port: /livez, /readyz and /metrics."""
    app = Flask("modelserver-management", static_folder=None)

    @app.get("/livez")
    def live() -> Response:
        return json_page({"live": True})

    @app.get("/readyz")
    def ready() -> Response:
        is_ready = scorer.state is State.READY
        content = {
            "ready": is_ready,
            "state": scorer.state.value,
            "models": [f"{m.name}/{m.version}" for m in scorer.repository],
        }
        return json_page(content, 200 if is_ready else 503)

    @app.get("/metrics")
    def show_metrics() -> Response:
        return Response(metrics_.render(), content_type=metrics.CONTENT_TYPE)

    answer_errors_in_json(app, access)
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
        **({"columns": model.columns} if model.columns else {}),
        **model.task.describe(),
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
