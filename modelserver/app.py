"""The Flask application of the scoring port: everything on it but scoring."""

from typing import Any

from flask import Flask, Response

from modelserver import compat, runtime, scoring
from modelserver.access import Access
from modelserver.manifest import TensorSpec
from modelserver.oip import infer
from modelserver.oip.pages import oip_pages
from modelserver.pages import answer_errors_in_json, json_page, record_answers, text_page
from modelserver.scorer import Scorer
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


def _describe(scorer: Scorer, name: str, version: str | None) -> dict[str, Any]:
    """The metadata of one model."""
    model = scorer.find(name, version)
    manifest = model.artefact.manifest
    return {
        "name": model.name,
        "version": str(model.version),
        "versions": [str(number) for number in scorer.repository.versions(name)],
        "ready": scorer.ready,
        "task": manifest.task,
        "provider": model.provider,
        "inputs": [_tensor(spec) for spec in manifest.inputs],
        "outputs": [_tensor(spec) for spec in manifest.outputs],
        **({"columns": model.columns} if model.columns else {}),
        **model.task.describe(),
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
