"""The Flask application of the scoring port: everything on it but scoring."""

from collections.abc import Callable

from flask import Flask, Response

from modelserver import compat, runtime, scoring
from modelserver.access import Access
from modelserver.auth.guard import Guard
from modelserver.oip import infer
from modelserver.oip.pages import oip_pages
from modelserver.openapi import DOCUMENT
from modelserver.pages import (
    answer_errors_in_json,
    guard_pages,
    json_page,
    record_answers,
    text_page,
)
from modelserver.scorer import Scorer
from modelserver.scoring import Route
from modelserver.site import demo_page, site_pages, wants_page
from modelserver.v1_pages import v1_pages

_ADVICE = (
    "; models are asked by POST /v1/models/<name>:predict, /openapi.json has every path, and "
    "probes and metrics are on the management port"
)


def scoring_routes(historic_api: bool) -> tuple[Route, ...]:
    """The scoring paths of the server.

    Args:
        historic_api: whether the reference implementation's are among them.
    """
    return (*scoring.ROUTES, *infer.ROUTES, *(compat.ROUTES if historic_api else ()))


def create_app(
    scorer: Scorer, access: Access, guard: Guard, *, historic_api: bool, demo: bool, max_rows: int
) -> Flask:
    """Make the application for everything on the scoring port but scoring.

    Args:
        scorer: knows the models.
        access: records answers.
        guard: who may ask.
        historic_api: whether `/` and `/version` answer as the reference implementation did.
        demo: whether there are pages for people, at `/` and `/docs`.
        max_rows: most rows of a request.
    """
    app = Flask("modelserver", static_folder=None)

    app.register_blueprint(v1_pages(scorer))
    app.register_blueprint(oip_pages(scorer, max_rows))
    app.add_url_rule("/openapi.json", "openapi", lambda: json_page(DOCUMENT))
    if demo:
        app.register_blueprint(site_pages())
    page = demo_page() if demo else None
    if page or historic_api:
        app.add_url_rule("/", "front", lambda: _front(page, historic_api))
    if historic_api:
        app.add_url_rule("/version", "version", lambda: text_page(runtime.runtime_version()))
    answer_errors_in_json(app, access, _ADVICE)
    record_answers(app, access)
    guard_pages(app, guard)
    return app


def _front(page: Callable[[], Response] | None, historic_api: bool) -> Response:
    """Answer `/`: the demo to a browser, to others what the reference implementation said."""
    if page and (wants_page() or not historic_api):
        return page()
    return text_page(compat.HEALTHY)
