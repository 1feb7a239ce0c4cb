"""The Flask application of the management port: probes and metrics."""

from flask import Flask, Response

from modelserver import metrics
from modelserver.access import Access
from modelserver.metrics import Metrics
from modelserver.pages import answer_errors_in_json, json_page
from modelserver.scorer import Scorer


def create_management_app(scorer: Scorer, metrics_: Metrics, access: Access) -> Flask:
    """Make the application of the management port: /livez, /readyz and /metrics."""
    app = Flask("modelserver-management", static_folder=None)

    @app.get("/livez")
    def live() -> Response:
        return json_page({"live": True})

    @app.get("/readyz")
    def ready() -> Response:
        is_ready = scorer.ready
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
