"""The scoring routes from request to reply: answers, refusals, what is recorded of them."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import TestResponse

from modelserver.repository import Repository
from modelserver.tasks.faq import FaqTask
from tests.modelserver.conftest import MAX_BODY_BYTES, MAX_INSTANCES, Site
from tests.modelserver.samples import MAX_CHARACTERS, faq_scores

QUESTION = "closure or promise"
PREDICT = "/v1/models/faq:predict"
SECRET = "hunter2"


def metric(site: Site, name: str, **labels: str) -> float:
    """The sum of the samples on /metrics that have these labels."""
    families = text_string_to_metric_families(site.management.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name == f"modelserver_{name}" and labels.items() <= sample.labels.items()
    )


def test_answer(site: Site) -> None:
    """One prediction for each instance, in order, with the model and version that made them."""
    answer = site.post(PREDICT, {"instances": [QUESTION, "array"], "parameters": {"top_k": 1}})
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.content_length == len(answer.data)
    assert list(answer.json) == ["model_name", "model_version", "predictions"]
    assert (answer.json["model_name"], answer.json["model_version"]) == ("faq", "1")
    best = [prediction["matches"][0] for prediction in answer.json["predictions"]]
    assert [match["title"] for match in best] == ["What is a closure", "Copy an array"]
    assert best[0]["score"] == pytest.approx(faq_scores(QUESTION).max())


def test_text_body(site: Site) -> None:
    """One text as it is gets the same prediction as in JSON."""
    in_json = site.post(PREDICT, {"instances": [QUESTION]}).json
    assert site.post(PREDICT, QUESTION.encode(), content_type="text/plain").json == in_json


def test_body_without_a_content_type(site: Site) -> None:
    """A body that does not say what it is counts as JSON."""
    body = json.dumps({"instances": [QUESTION]}).encode()
    assert site.post(PREDICT, body).status_code == 200


@pytest.mark.parametrize(
    ("path", "version"),
    [("sum:predict", "10"), ("sum/versions/2:predict", "2"), ("sum/versions/10:predict", "10")],
)
def test_versions(site: Site, path: str, version: str) -> None:
    """The newest version answers unless the path names another."""
    answer = site.post(f"/v1/models/{path}", {"instances": [[1, 2, 3]]})
    assert (answer.json["model_version"], answer.json["predictions"]) == (version, [[6.0]])


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_compressed_body(site: Site, encoding: str) -> None:
    """A compressed body is the body that it was."""
    body = gzip.compress(json.dumps({"instances": [QUESTION]}).encode())
    answer = site.post(
        PREDICT, body, content_type="application/json", headers={"Content-Encoding": encoding}
    )
    assert answer.json == site.post(PREDICT, {"instances": [QUESTION]}).json


@dataclass(frozen=True)
class Refused:
    """A request that gets an error."""

    body: Any
    status: int
    code: str
    message: str
    path: str = PREDICT
    more: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


TEXT = {"content_type": "text/plain"}
GZIP = {"content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}
BROTLI = {"content_type": "application/json", "headers": {"Content-Encoding": "br"}}
ONE = {"instances": [QUESTION]}

REFUSED = {
    "not JSON": Refused(b"{", 400, "undecodable", "body: not valid JSON"),
    "not UTF-8": Refused(b"\xff", 400, "undecodable", "body: not UTF-8 text", more=TEXT),
    "not gzip": Refused(b"{}", 400, "undecodable", "body: not valid gzip", more=GZIP),
    "other form": Refused({"input": "x"}, 422, "invalid_input", "body: unknown 'input'"),
    "no instances": Refused({"instances": []}, 422, "invalid_input", "instances: expected a list"),
    "wrong instance": Refused(
        {"instances": ["x", 7]}, 422, "invalid_input", "instances[1]: expected a text or {"
    ),
    "unknown parameter": Refused(
        {**ONE, "parameters": {"k": 1}}, 422, "invalid_input", "parameters: unknown 'k'"
    ),
    "long text": Refused(
        {"instances": ["x" * (MAX_CHARACTERS + 1)]}, 413, "too_large", "at most 1000 characters"
    ),
    "many instances": Refused(
        {"instances": ["x"] * (MAX_INSTANCES + 1)}, 413, "too_large", "expected at most 8, got 9"
    ),
    "large body": Refused(
        b" " * (MAX_BODY_BYTES + 1), 413, "too_large", f"at most {MAX_BODY_BYTES} bytes, got"
    ),
    "inflates too far": Refused(
        gzip.compress(b" " * (MAX_BODY_BYTES + 1)), 413, "too_large", "bytes", more=GZIP
    ),
    "no body": Refused(b"", 411, "length_required", "Content-Length"),
    "other content type": Refused(
        b"x", 415, "unsupported_media_type", "text/plain", more={"content_type": "image/png"}
    ),
    "web form": Refused(
        b"x=1",
        415,
        "unsupported_media_type",
        "-H 'Content-Type: application/json'",
        more={"content_type": "application/x-www-form-urlencoded"},
    ),
    "other encoding": Refused(
        b"x",
        415,
        "unsupported_encoding",
        "Content-Encoding: expected gzip or deflate, got 'br'",
        more=BROTLI,
        headers={"Accept-Encoding": "gzip, deflate"},
    ),
    "unknown model": Refused(
        ONE, 404, "not_found", "unknown model 'other'", path="/v1/models/other:predict"
    ),
    "unknown version": Refused(
        ONE, 404, "not_found", "version", path="/v1/models/faq/versions/7:predict"
    ),
    "version is no number": Refused(
        ONE, 404, "not_found", "version", path="/v1/models/faq/versions/new:predict"
    ),
    "no model name": Refused(ONE, 404, "not_found", "names no model", path="/v1/models/:predict"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(site: Site, name: str) -> None:
    """Every refusal has its status, its code, and a text that says what to mend."""
    wrong = REFUSED[name]
    answer = site.post(wrong.path, wrong.body, **wrong.more)
    assert list(answer.json) == ["error", "code", "request_id"]
    assert (answer.status_code, answer.json["code"]) == (wrong.status, wrong.code), answer.json
    assert wrong.message in answer.json["error"]
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert wrong.headers.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "x" * 99])
def test_other_methods(site: Site, method: str) -> None:
    """A scoring path takes POST and says so."""
    answer = site.scoring.open(PREDICT, method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert len(answer.data) < 200


def test_length_is_judged_before_the_body_is_read(site: Site) -> None:
    """A body over the limit is refused by its stated length alone."""

    class Unreadable:
        def read(self, *_: int) -> bytes:
            raise AssertionError("the body was read")

    stated = {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1), "wsgi.input": Unreadable()}
    answer = site.scoring.post(PREDICT, environ_overrides=stated)
    assert answer.status_code == 413


def test_all_or_none(site: Site) -> None:
    """One wrong instance refuses its request, and names itself."""
    answer = site.post(PREDICT, {"instances": [QUESTION, QUESTION, None]})
    assert answer.status_code == 422
    assert answer.json["error"].startswith("instances[2]: ")
    assert "predictions" not in answer.json


def test_starting(make_site: Callable[..., Site]) -> None:
    """Before the models are loaded a request is asked to come back."""
    answer = make_site(None).post(PREDICT, ONE)
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def test_stopping(site: Site) -> None:
    """A draining server still answers; a closed one sends requests elsewhere."""
    site.scorer.start_draining()
    assert site.post(PREDICT, ONE).status_code == 200
    site.scorer.close()
    answer = site.post(PREDICT, ONE)
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


def break_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a bug into the server."""

    def fail(*_: Any) -> None:
        raise RuntimeError(f"the question was {SECRET}")

    monkeypatch.setattr(FaqTask, "encode", fail)


def test_our_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug answers 500 without detail, is logged under the request's id, and ends there."""
    with monkeypatch.context() as patch:
        break_encoding(patch)
        answer = site.post(PREDICT, {"instances": [SECRET]}, headers={"X-Request-Id": "me"})
    assert answer.status_code == 500
    assert answer.json == {"error": "internal error", "code": "internal_error", "request_id": "me"}
    errors = [event for event in site.events if event["event"] == "internal_error"]
    assert [event["request_id"] for event in errors] == ["me"]
    assert SECRET not in json.dumps(site.events)
    assert metric(site, "inflight_requests") == 0
    assert site.post(PREDICT, ONE).status_code == 200


def test_request_id(site: Site) -> None:
    """A safe id of the caller comes back in the header of an answer and is logged."""
    answer = site.post(PREDICT, ONE, headers={"X-Request-Id": "ours"})
    assert answer.headers["X-Request-Id"] == "ours"
    assert site.events[-1]["request_id"] == "ours"


def test_record(site: Site) -> None:
    """An answer is one event: route, model and sizes, and nothing of what was sent."""
    answer = site.post(PREDICT, {"instances": [SECRET]})
    (event,) = site.events
    assert event["milliseconds"] >= 0
    assert SECRET not in json.dumps(event)
    assert (
        event.items()
        >= {
            "event": "request",
            "request_id": answer.headers["X-Request-Id"],
            "method": "POST",
            "route": "/v1/models/<name>:predict",
            "model": "faq",
            "version": "1",
            "status": 200,
            "code": "",
            "bytes_in": len(json.dumps({"instances": [SECRET]})),
            "bytes_out": len(answer.data),
        }.items()
    )


def test_record_of_a_refusal(site: Site) -> None:
    """A refusal is recorded by its code; the path is not, because it holds what was typed."""
    site.post(f"/v1/models/{SECRET}:predict", ONE)
    (event,) = site.events
    assert (event["status"], event["code"], event["model"]) == (404, "not_found", None)
    assert SECRET not in json.dumps(event)


def test_metrics(site: Site) -> None:
    """Answers are counted by model and status, refusals by their code as well."""
    faq = {"model": "faq", "version": "1"}
    site.post(PREDICT, ONE)
    site.post(PREDICT, {"instances": [7]})
    site.post("/v1/models/other:predict", ONE)
    assert metric(site, "requests_total", code="200", **faq) == 1
    assert metric(site, "requests_total", code="422", **faq) == 1
    assert metric(site, "rejected_total", reason="invalid_input") == 1
    assert metric(site, "rejected_total", reason="not_found") == 1
    assert metric(site, "request_duration_seconds_count", **faq) == 2


def test_other_paths_reach_flask(site: Site) -> None:
    """Only scoring paths are answered here; the request's id is the same on both sides."""
    answer = site.scoring.get("/v1/models", headers={"X-Request-Id": "me"})
    assert answer.json == {"models": ["faq", "pair", "sum"]}
    assert answer.headers["X-Request-Id"] == "me"


ODD_PATHS = [
    f"{PREDICT}/",
    f"/{PREDICT}",
    f"{PREDICT}%0A",
    f"{PREDICT}%00",
    "/v1/models/faq%2F..%2Fsum:predict",
    "/v1/models/../faq:predict",
    "/v1/models/faq/versions/:predict",
    "/v1/models/faq/versions/1/:predict",
    "/v1/models/FAQ:predict",
    "/v1/models/%C3%A9:predict",
    "/V1/models/faq:predict",
]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_odd_paths(site: Site, path: str) -> None:
    """A path that is nearly one of ours is 404, never another model or a crash."""
    answer: TestResponse = site.post(path, ONE)
    assert answer.status_code in (404, 405, 308), answer.data


def test_two_repositories(make_site: Callable[..., Site], faq_repository: Repository) -> None:
    """Models are looked up at each request, so others can take their place while serving."""
    site = make_site(None)
    assert site.post(PREDICT, ONE).status_code == 503
    site.scorer.open(faq_repository)
    assert site.post(PREDICT, ONE).status_code == 200
