"""/openapi.json is true: its paths are the server's, and the server answers as it says."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from modelserver.access import Access
from modelserver.app import create_app, scoring_routes
from modelserver.auth.guard import OPEN
from modelserver.metrics import Metrics
from modelserver.openapi import DOCUMENT
from modelserver.scorer import Scorer
from tests.conftest import RunningServer, publish_linear
from tests.modelserver.conftest import Door
from tests.modelserver.image_samples import publish_corners
from tests.modelserver.oip.protocol import contract
from tests.modelserver.samples import publish_faq, publish_pair

METHODS = ("get", "post")
MODELS = ["corners", "faq", "pair", "sum", "other"]
VERSIONS = ["1", "2", "10", "x"]


def key_counts(
    context: CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Every request brings a right key, where one is wanted."""
    assert response.status_code not in (401, 403)


CHECKS = [
    key_counts,
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CONTRACTS = {"ours": DOCUMENT, "protocol": contract()}
SHORT = 20
"""Requests to an operation in the suite that runs often; always the same ones."""

OPERATIONS = [
    pytest.param(name, path, method, id=f"{name} {method} {path}")
    for name, document in CONTRACTS.items()
    for path, item in document["paths"].items()
    for method in METHODS
    if method in item
]


def documented() -> set[tuple[str, str]]:
    """Method and path of every operation, with the parameters nameless."""
    return {
        (method, re.sub(r"{.*?}", "*", path))
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS
        if method in item
    }


def routes() -> set[tuple[str, str]]:
    """The same of the server."""
    metrics = Metrics()
    access = Access(lambda event, **fields: None, metrics)
    app = create_app(Scorer(metrics), access, OPEN, historic_api=True, demo=True, max_rows=1)
    pages = {("get", re.sub(r"<.*?>", "*", rule.rule)) for rule in app.url_map.iter_rules()}
    pages = {(method, re.sub(r"^/assets/.*", "/assets/*", path)) for method, path in pages}
    scoring = set()
    for route in scoring_routes(historic_api=True):
        path = re.sub(r"\(\?P<\w+>\[\^/:?\]\*\)", "*", route.pattern.pattern)
        optional = re.compile(r"\(\?:(.*?)\)\?")
        scoring |= {("post", optional.sub("", path)), ("post", optional.sub(r"\1", path))}
    return pages | scoring


def test_paths_are_the_routes() -> None:
    """Every route of the server is in the document, and nothing else is."""
    assert documented() == routes()


def test_references_lead_somewhere() -> None:
    """Every $ref names a component, and every component is used."""
    used = set(re.findall(r"'\$ref': '#/components/(\w+/\w+)'", str(DOCUMENT)))
    there = {
        f"{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in DOCUMENT["components"][kind]
    }
    assert used == there


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, door: Door) -> Iterator[RunningServer]:
    """A server with a model of each task, with API keys and without."""
    repository = tmp_path_factory.mktemp("openapi") / "models"
    publish_faq(repository)
    publish_pair(repository)
    publish_corners(repository)
    publish_linear(repository, version=2)
    publish_linear(repository, version=10)
    server = door.serve(repository)
    yield server
    server.close()


def test_served(server: RunningServer) -> None:
    """/openapi.json answers the document."""
    answer = server.request("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == DOCUMENT


def named(document: dict[str, Any]) -> dict[str, Any]:
    """The document with models that there are, and time for each request.

    Random names would all be 404; a timeout of no time is rightly 504, which is tested elsewhere.
    """
    document = copy.deepcopy(document)
    names = {"model": MODELS, "version": VERSIONS}
    for item in document["paths"].values():
        for parameter in item.get("parameters", ()):
            if parameter["name"] in names:
                parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
        for parameter in item.get("post", {}).get("parameters", ()):
            if parameter["name"] == "X-Request-Timeout":
                parameter["schema"] = {"type": "number", "minimum": 60}
    return document


def send_many(
    server: RunningServer, name: str, path: str, method: str, count: int, long: bool
) -> None:
    """Send requests that an operation allows, and some that it does not."""
    schema = schemathesis.openapi.from_dict(named(CONTRACTS[name]))
    operation = schema[path][method.upper()]

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=not long,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: schemathesis.Case) -> None:
        case.call_and_validate(
            base_url=server.url, headers=server.headers, checks=CHECKS, timeout=30
        )

    send()


@pytest.mark.parametrize(("name", "path", "method"), OPERATIONS)
def test_answers_as_documented(server: RunningServer, name: str, path: str, method: str) -> None:
    """No request gets a 5xx, a status or a body that the document does not have."""
    send_many(server, name, path, method, SHORT if method == "post" else 4, long=False)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path", "method"), OPERATIONS)
def test_answers_as_documented_long(
    server: RunningServer, name: str, path: str, method: str
) -> None:
    """The same with many requests."""
    send_many(server, name, path, method, 200 if method == "post" else 20, long=True)
