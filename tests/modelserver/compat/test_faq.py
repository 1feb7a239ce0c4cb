"""The historic FAQ forms, as the reference implementation's own clients send and read them."""

import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import onnxruntime
import pytest

from modelserver.repository import Repository
from tests.conftest import RunningServer
from tests.modelserver.conftest import Site
from tests.modelserver.samples import FAQS, MAX_CHARACTERS, faq_scores

QUESTION = "closure or promise"
SERVICE = "/api/v1/service/faq/score"
TOOK = re.compile(r"Computed in \d+\.\d\d ms")
JSON = {"content-type": "application/json"}


def ranking(question: str) -> list[list[Any]]:
    """[Id, AnswerId, probability] of every FAQ, best first, as the model itself says."""
    scored = zip(FAQS, faq_scores(question).tolist(), strict=True)
    return sorted(
        ([faq["id"], faq["answer_id"], score] for faq, score in scored), key=lambda t: -t[2]
    )


def call(server: RunningServer, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, ...]:
    """What a client of those days does: one POST, then json() of the reply."""
    request = urllib.request.Request(server.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.status, json.loads(reply.read())


def test_first_client(faq_server: RunningServer) -> None:
    """POST /score: result[0] is every FAQ as [Id, AnswerId, p] by falling p, result[1] the time."""
    status, answer = call(faq_server, "/score", b'{"input": "closure or promise"}', JSON)
    assert status == 200
    assert answer.keys() == {"result"}
    triples, took = answer["result"]
    assert triples == ranking(QUESTION)
    assert len(triples) == len(FAQS)
    assert [triple[0] for triple in triples[0:3]] == [12, 13, 11]
    assert TOOK.fullmatch(took)


def test_second_client(faq_server: RunningServer) -> None:
    """POST /api/v1/service/<name>/score with a Bearer key: the triples alone, without the time."""
    headers = {**JSON, "Authorization": "Bearer 0123456789abcdef0123456789abcdef"}
    answer = call(faq_server, SERVICE, b'{"input": "closure or promise"}', headers)
    assert answer == (200, ranking(QUESTION))


def test_ids_are_whole_numbers(faq_site: Site) -> None:
    """Id and AnswerId are JSON integers and p is a fraction: clients compare and format them."""
    for triple in faq_site.post(SERVICE, {"input": QUESTION}).json:
        assert [type(value) for value in triple] == [int, int, float]


def test_clients_sent_html(faq_site: Site) -> None:
    """The questions of the reference are HTML; they are cleaned as the training texts are."""
    text = "<p>Closure or <a href='x'>promise</a></p><pre><code>array this</code></pre>"
    assert faq_site.post(SERVICE, {"input": text}).json == ranking(QUESTION)


def test_all_faqs_whatever_the_model_says(faq_site: Site) -> None:
    """The model's own top_k and min_score do not shorten the list: old clients count it."""
    answer = faq_site.post("/score", {"input": "nothing it knows"}).json
    assert len(answer["result"][0]) == len(FAQS)


@pytest.mark.parametrize("top_k", [1, 3, 4, 99])
def test_top_k(faq_site: Site, top_k: int) -> None:
    """`top_k` beside `input` shortens the list; more than there are gives all."""
    body = {"input": QUESTION, "top_k": top_k}
    assert faq_site.post(SERVICE, body).json == ranking(QUESTION)[:top_k]
    assert faq_site.post("/score", body).json["result"][0] == ranking(QUESTION)[:top_k]


def test_other_fields_are_ignored(faq_site: Site) -> None:
    """The reference read `input` and nothing else, so whatever stands beside it is let through."""
    assert faq_site.post(SERVICE, {"input": QUESTION, "id": 7}).json == ranking(QUESTION)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", ""])
def test_content_types(faq_site: Site, kind: str) -> None:
    """The reference took exactly `application/json`; ways to say the same are taken too."""
    body = json.dumps({"input": QUESTION}).encode()
    assert faq_site.post(SERVICE, body, content_type=kind).status_code == 200


WRONG: dict[str, tuple[Any, int, str]] = {
    "no input": ({}, 422, 'body: expected {"input": "<text>"}, got an object'),
    "another name": ({"inputs": "x"}, 422, "got an object with 'inputs'"),
    "a list": ([QUESTION], 422, "body: expected"),
    "a text": (QUESTION, 422, "body: expected"),
    "input is null": ({"input": None}, 422, "input: expected a text, got null"),
    "input is a list": ({"input": [QUESTION]}, 422, "input: expected a text, got a list"),
    "input is a number": ({"input": 3}, 422, "input: expected a text, got a number (3)"),
    "top_k is zero": ({"input": QUESTION, "top_k": 0}, 422, "top_k"),
    "top_k is a text": ({"input": QUESTION, "top_k": "3"}, 422, "top_k"),
    "too long": ({"input": "x" * (MAX_CHARACTERS + 1)}, 413, "1000 characters"),
    "no JSON": (b"input=x", 400, "not valid JSON"),
    "no body": (b"", 411, "Content-Length"),
}


@pytest.mark.parametrize("path", ["/score", SERVICE])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests(faq_site: Site, name: str, path: str) -> None:
    """What was an HTML page of status 500 says in JSON what is wrong."""
    body, status, message = WRONG[name]
    answer = faq_site.post(path, body)
    assert (answer.status_code, message in answer.json["error"]) == (status, True), answer.json


def test_wrong_content_type(faq_site: Site) -> None:
    """The reference meant to answer 415 here, and crashed."""
    answer = faq_site.post("/score", QUESTION.encode(), content_type="text/plain")
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_score_needs_a_single_model(site: Site) -> None:
    """/score names no model: with several, the answer says where to put the name."""
    answer = site.post("/score", {"input": QUESTION})
    assert answer.status_code == 404
    assert "name the model in the path" in answer.json["error"]
    assert site.post(SERVICE, {"input": QUESTION}).json == ranking(QUESTION)


def test_service_of_an_unknown_model(faq_site: Site) -> None:
    """A wrong name is 404 and names the model."""
    answer = faq_site.post("/api/v1/service/other/score", {"input": QUESTION})
    assert answer.status_code == 404
    assert "'other'" in answer.json["error"]


def test_models_without_a_historic_form(site: Site) -> None:
    """A model of another kind points to the API that it has."""
    for path in ("/api/v1/service/sum/score", "/api/v1/service/pair/score"):
        answer = site.post(path, {"input": QUESTION})
        assert answer.status_code == 422
        assert ":predict" in answer.json["error"]


def test_get_root(faq_server: RunningServer) -> None:
    """GET / is the text that the reference's probes and people looked for."""
    answer = faq_server.request("/")
    assert (answer.status, answer.body) == (200, b"Healthy")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_get_version(faq_server: RunningServer) -> None:
    """GET /version is the version of the library that runs the model, as text."""
    answer = faq_server.request("/version")
    assert (answer.status, answer.body.decode()) == (200, onnxruntime.__version__)


@pytest.mark.parametrize("path", ["/score", SERVICE])
def test_get_on_a_scoring_path(faq_site: Site, path: str) -> None:
    """A browser on a scoring path learns that it takes POST."""
    answer = faq_site.scoring.get(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_switched_off(make_site: Callable[..., Site], faq_repository: Repository) -> None:
    """Without the historic API its paths do not exist, and the others still answer."""
    site = make_site(faq_repository, historic=False)
    for path in ("/score", SERVICE):
        assert site.post(path, {"input": QUESTION}).status_code == 404
    assert site.scoring.get("/version").status_code == 404
    body = {"instances": [QUESTION]}
    assert site.post("/v1/models/faq:predict", body).status_code == 200
