"""What the task API says of the models: their names, their tensors and their golden pairs."""

from typing import Any

from flask import Blueprint, Response

from modelserver.manifest import TensorSpec
from modelserver.pages import json_page
from modelserver.scorer import Scorer


def v1_pages(scorer: Scorer) -> Blueprint:
    """The pages below /v1.

    Args:
        scorer: knows the models.
    """
    pages = Blueprint("v1", __name__)

    @pages.get("/v1/models")
    def list_models() -> Response:
        return json_page({"models": scorer.repository.names()})

    @pages.get("/v1/models/<name>")
    @pages.get("/v1/models/<name>/versions/<version>")
    def show_model(name: str, version: str | None = None) -> Response:
        return json_page(_describe(scorer, name, version))

    @pages.get("/v1/models/<name>/example/request")
    @pages.get("/v1/models/<name>/versions/<version>/example/request")
    def show_example_request(name: str, version: str | None = None) -> Response:
        golden = scorer.find(name, version).artefact.golden()
        return Response(golden.request, content_type=golden.content_type)

    @pages.get("/v1/models/<name>/example/response")
    @pages.get("/v1/models/<name>/versions/<version>/example/response")
    def show_example_response(name: str, version: str | None = None) -> Response:
        return json_page(scorer.find(name, version).artefact.golden().response)

    return pages


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
        # How good the model is, or that its weights are random: a caller should be able to see it.
        **({"evaluation": manifest.evaluation} if manifest.evaluation else {}),
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
