"""The routes of the protocol that Flask answers: health, metadata, configuration, statistics."""

from flask import Blueprint, Response

from modelserver.oip.metadata import model_configuration, model_metadata, server_metadata
from modelserver.oip.statistics import model_statistics
from modelserver.pages import json_page
from modelserver.scorer import Scorer


def oip_pages(scorer: Scorer, max_rows: int) -> Blueprint:
    """Make the routes below /v2.

    Args:
        scorer: knows the models and whether they may be asked.
        max_rows: most rows of a request.
    """
    pages = Blueprint("oip", __name__, url_prefix="/v2")
    _add_health(pages, scorer)
    _add_models(pages, scorer, max_rows)

    @pages.get("/models/stats")
    def show_all_statistics() -> Response:
        return json_page(model_statistics(scorer.repository))

    @pages.get("/models/<name>/stats")
    @pages.get("/models/<name>/versions/<version>/stats")
    def show_statistics(name: str, version: str | None = None) -> Response:
        return json_page(model_statistics([scorer.find(name, version)]))

    return pages


def _add_health(pages: Blueprint, scorer: Scorer) -> None:
    @pages.get("", strict_slashes=False)
    def show_server() -> Response:
        return json_page(server_metadata())

    @pages.get("/health/live")
    def live() -> Response:
        return json_page({"live": True})

    @pages.get("/health/ready")
    def ready() -> Response:
        is_ready = scorer.ready
        return json_page({"ready": is_ready}, 200 if is_ready else 503)


def _add_models(pages: Blueprint, scorer: Scorer, max_rows: int) -> None:
    @pages.get("/models")
    def list_models() -> Response:
        return json_page({"models": scorer.repository.names()})

    @pages.get("/models/<name>")
    @pages.get("/models/<name>/versions/<version>")
    def show_model(name: str, version: str | None = None) -> Response:
        model = scorer.find(name, version)
        return json_page(model_metadata(model, scorer.repository.versions(name)))

    @pages.get("/models/<name>/ready")
    @pages.get("/models/<name>/versions/<version>/ready")
    def model_ready(name: str, version: str | None = None) -> Response:
        model = scorer.find(name, version)
        is_ready = scorer.ready
        return json_page({"name": model.name, "ready": is_ready}, 200 if is_ready else 503)

    @pages.get("/models/<name>/config")
    @pages.get("/models/<name>/versions/<version>/config")
    def show_configuration(name: str, version: str | None = None) -> Response:
        return json_page(model_configuration(scorer.find(name, version), max_rows))
