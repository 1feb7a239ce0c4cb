"""The management port: probes, and orders to load and unload."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from modelserver.access import Access
from modelserver.errors import LoadFailed, NotFound, Unavailable
from modelserver.management import create_management_app
from modelserver.metrics import Metrics
from modelserver.repository_index import LOADING, READY, UNAVAILABLE, Entry
from tests.modelserver.conftest import Site

ENTRIES = [
    Entry("a", "1", READY),
    Entry("a", "2", UNAVAILABLE, "a/2/model.onnx: expected 3 bytes, got 2"),
    Entry("b", "1", LOADING),
]


@dataclass
class Fake:
    """A server that only notes its orders."""

    orders: list[tuple[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        return False, {"state": "starting"}

    def metrics(self) -> bytes:
        return b"modelserver_x 1\n"

    def index(self) -> list[Entry]:
        return ENTRIES

    def load(self, name: str) -> None:
        self.orders.append(("load", name))
        if self.error:
            raise self.error

    def unload(self, name: str) -> None:
        self.orders.append(("unload", name))


@pytest.fixture
def managed() -> Fake:
    return Fake()


@pytest.fixture
def client(managed: Fake) -> Client:
    def log(event: str, **fields: Any) -> None:
        pass

    return Client(create_management_app(managed, Access(log, Metrics())))


def post(client: Client, path: str, body: Any = b"") -> TestResponse:
    """POST an order; anything but bytes as JSON."""
    return client.post(path, data=body if isinstance(body, bytes) else json.dumps(body))


def test_probes(client: Client) -> None:
    """A process that answers is live; readiness is what the server says of itself."""
    assert client.get("/livez").json == {"live": True}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"ready": False, "state": "starting"})
    assert client.get("/metrics").data == b"modelserver_x 1\n"


@pytest.mark.parametrize("body", [b"", b" ", {}, {"ready": False}], ids=str)
def test_index(client: Client, body: Any) -> None:
    """The index has every version, its state and the reason."""
    assert post(client, "/v2/repository/index", body).json == [
        {"name": "a", "version": "1", "state": "READY", "reason": ""},
        {"name": "a", "version": "2", "state": "UNAVAILABLE", "reason": ENTRIES[1].reason},
        {"name": "b", "version": "1", "state": "LOADING", "reason": ""},
    ]


def test_index_of_ready_versions(client: Client) -> None:
    """`ready` leaves out what cannot be asked."""
    answer = post(client, "/v2/repository/index", {"ready": True})
    assert [entry["version"] for entry in answer.json or ()] == ["1"]


@pytest.mark.parametrize(
    ("order", "body"),
    [
        ("load", b""),
        ("load", {}),
        ("load", {"parameters": {}}),
        ("unload", b""),
        ("unload", {"parameters": {"unload_dependents": False}}),
        ("unload", {"parameters": {"unload_dependents": True}}),
    ],
    ids=str,
)
def test_orders(client: Client, managed: Fake, order: str, body: Any) -> None:
    """An order is handed on and answered with 200, in the forms that official clients send."""
    answer = post(client, f"/v2/repository/models/a/{order}", body)
    assert (answer.status_code, answer.json) == (200, {})
    assert managed.orders == [(order, "a")]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("models/a/load", {"parameters": {"config": "{}"}}, 422, "load takes none, got 'config'"),
        (
            "models/a/load",
            {"parameters": {"file:1/model.onnx": "AA=="}},
            422,
            "load takes none, got 'file:1/model.onnx'",
        ),
        (
            "models/a/unload",
            {"parameters": {"x": 1}},
            422,
            "unload takes unload_dependents, got 'x'",
        ),
        ("models/a/load", {"parameters": [1]}, 422, "parameters: expected an object, got a list"),
        ("models/a/load", {"ready": True}, 422, "body: expected at most 'parameters', got 'ready'"),
        ("models/a/load", [], 422, "body: expected an object, got an empty list"),
        ("models/a/load", b"{", 400, "body: not valid JSON"),
        ("index", {"ready": 1}, 422, "ready: expected true or false, got a number (1)"),
        ("index", {"parameters": {}}, 422, "body: expected at most 'ready', got 'parameters'"),
        ("models//load", b"", 404, "there is no path"),
        ("models/a/b/load", b"", 404, "there is no path"),
    ],
)
def test_refused(
    client: Client, managed: Fake, path: str, body: Any, status: int, said: str
) -> None:
    """Whatever would bring files or configuration in is refused by name; nothing is done."""
    answer = post(client, f"/v2/repository/{path}", body)
    assert answer.status_code == status
    assert said in (answer.json or {})["error"]
    assert managed.orders == []


@pytest.mark.parametrize(
    ("error", "status"), [(NotFound("x"), 404), (LoadFailed("x"), 422), (Unavailable("x"), 503)]
)
def test_orders_that_fail(client: Client, managed: Fake, error: Exception, status: int) -> None:
    """What went wrong is answered in the one shape of errors."""
    managed.error = error
    answer = post(client, "/v2/repository/models/a/load")
    assert answer.status_code == status
    assert (answer.json or {})["error"] == "x"


def test_only_post(client: Client) -> None:
    """An order is no page to be read."""
    assert client.get("/v2/repository/models/a/load").status_code == 405


def test_not_on_the_scoring_port(site: Site) -> None:
    """Clients of the scoring port cannot change what is served."""
    for path in ("index", "models/sum/load", "models/sum/unload"):
        assert site.scoring.post(f"/v2/repository/{path}").status_code == 404


def test_real_server(site: Site) -> None:
    """The state and models of a server are in its readiness."""
    assert site.management.get("/readyz").json == {
        "ready": True,
        "state": "ready",
        "models": ["faq/1", "pair/1", "sum/2", "sum/10"],
    }
