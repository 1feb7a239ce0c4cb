"""What Flask answers on both ports: metadata, probes, metrics, errors in the one shape."""

import re
from collections.abc import Callable

import pytest

from modelserver.repository import Repository
from tests.modelserver.conftest import Site
from tests.modelserver.samples import FAQS, MAX_CHARACTERS


def test_list_of_models(site: Site) -> None:
    """GET /v1/models names every model once, whatever its versions."""
    assert site.scoring.get("/v1/models").json == {"models": ["faq", "pair", "sum"]}


def test_metadata_of_a_model(site: Site) -> None:
    """GET /v1/models/<name> says what a caller has to send and what the defaults are."""
    found = site.scoring.get("/v1/models/faq").json
    assert (found["name"], found["version"], found["versions"]) == ("faq", "1", ["1"])
    assert (found["ready"], found["task"]) == (True, "faq")
    assert found["provider"] == "CPUExecutionProvider"
    assert found["inputs"] == [{"name": "question", "datatype": "BYTES", "shape": [-1]}]
    (output,) = found["outputs"]
    assert output == {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(FAQS)]}
    assert (found["faqs"], found["max_characters"]) == (len(FAQS), MAX_CHARACTERS)
    assert found["parameters"] == {"top_k": 2, "min_score": 0.5}


def test_metadata_of_a_version(site: Site) -> None:
    """A version can be asked for; without one, the newest by number is meant."""
    assert site.scoring.get("/v1/models/sum").json["version"] == "10"
    assert site.scoring.get("/v1/models/sum").json["versions"] == ["2", "10"]
    assert site.scoring.get("/v1/models/sum/versions/2").json["version"] == "2"


@pytest.mark.parametrize("path", ["/v1/models/other", "/v1/models/sum/versions/3"])
def test_unknown_models(site: Site, path: str) -> None:
    """What is not served is 404, and the answer says what is."""
    answer = site.scoring.get(path)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert re.search("other|version", answer.json["error"])


def test_unknown_path(site: Site) -> None:
    """A path that does not exist is named in the one shape of errors."""
    answer = site.scoring.get("/favicon.ico")
    assert answer.status_code == 404
    assert list(answer.json) == ["error", "code", "request_id"]
    assert answer.json["error"].startswith("there is no path '/favicon.ico'; ")
    assert "/openapi.json has every path" in answer.json["error"]
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/faq", "/version", "/"])
def test_wrong_method(site: Site, path: str) -> None:
    """A page that is posted to says which methods it takes, and how models are asked."""
    answer = site.scoring.post(path, json={"instances": ["x"]})
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.json["error"].startswith("this path takes GET, HEAD, OPTIONS, got POST; ")
    assert "POST /v1/models/<name>:predict" in answer.json["error"]


def test_long_path(site: Site) -> None:
    """An error never gives back more than a little of what was typed."""
    answer = site.scoring.get("/" + "x" * 5000)
    assert answer.status_code == 404
    assert len(answer.data) < 300


def test_pages_are_recorded(site: Site) -> None:
    """Every answer of the scoring port is one event, by its route and never by its path."""
    site.scoring.get("/v1/models/hunter2")
    site.scoring.get("/hunter2")
    routes = [(event["route"], event["status"]) for event in site.events]
    assert routes == [("/v1/models/<name>", 404), ("unmatched", 404)]
    assert "hunter2" not in str(site.events)


def test_scoring_port_has_no_probes(site: Site) -> None:
    """Probes and metrics are on the management port alone, which no Service exposes."""
    for path in ("/livez", "/readyz", "/metrics"):
        assert site.scoring.get(path).status_code == 404


def test_management_port_scores_nothing(site: Site) -> None:
    """Nothing is scored on the management port, where no limit of scoring holds."""
    answer = site.management.post("/v1/models/faq:predict", json={"instances": ["x"]})
    assert answer.status_code == 404
    assert list(answer.json) == ["error", "code", "request_id"]


def test_readiness_follows_the_state(
    make_site: Callable[..., Site], repository: Repository
) -> None:
    """Ready from the moment the models answer until the server begins to stop; alive all along."""
    site = make_site(None)
    seen = []

    def look() -> None:
        answer = site.management.get("/readyz")
        seen.append((answer.status_code, answer.json["ready"], answer.json["state"]))
        assert site.management.get("/livez").status_code == 200

    look()
    site.scorer.open(repository)
    look()
    assert "sum/10" in site.management.get("/readyz").json["models"]
    site.scorer.start_draining()
    look()
    site.scorer.close()
    look()
    assert seen == [
        (503, False, "starting"),
        (200, True, "ready"),
        (503, False, "draining"),
        (503, False, "closed"),
    ]


def test_metadata_while_loading(make_site: Callable[..., Site]) -> None:
    """Before the models are loaded a model is not unknown: the caller is asked to come back."""
    answer = make_site(None).scoring.get("/v1/models/faq")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_metrics_are_prometheus_text(site: Site) -> None:
    """/metrics is the text format that Prometheus reads."""
    answer = site.management.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert "# TYPE modelserver_requests_total counter" in answer.text
