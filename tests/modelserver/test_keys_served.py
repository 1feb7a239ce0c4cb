"""API keys and limits of clients through the whole server."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from modelserver.auth.guard import Guard
from modelserver.auth.keys import KeyDirectory, digest
from modelserver.auth.limits import ClientLimits
from modelserver.repository import Repository
from tests.conftest import RunningServer
from tests.modelserver.conftest import Site

KEY = {"X-API-Key": "secret"}
PREDICT, BODY = "/v1/models/faq:predict", {"instances": ["copy an array"]}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A key folder with one client."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "webshop").write_text(digest("secret").hex())
    return tmp_path / "keys"


@pytest.fixture
def make_guarded(
    keys: Path, make_site: Callable[..., Site], repository: Repository
) -> Callable[..., Site]:
    """A server that wants keys."""

    def make(requests_per_second: float = 0, most_inflight: int = 0) -> Site:
        limits = ClientLimits(requests_per_second, most_inflight, clock=lambda: 0.0)
        return make_site(repository, guard=Guard(KeyDirectory(keys), limits))

    return make


@pytest.fixture
def guarded(make_guarded: Callable[..., Site]) -> Site:
    """A server that wants keys and has no limits."""
    return make_guarded()


POSTS = [PREDICT, "/v2/models/faq/infer", "/score", "/api/v1/service/faq/score"]
GETS = ["/v1/models", "/v1/models/faq", "/v1/models/faq/example/request", "/v2", "/v2/models/faq"]


@pytest.mark.parametrize("path", POSTS)
def test_scoring_needs_a_key(guarded: Site, path: str) -> None:
    """Without a key no body is read, and the answer says how to send one."""
    answer = guarded.post(path, b"\xff not even JSON")
    assert (answer.status_code, answer.json["code"]) == (401, "key_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="modelserver"'
    wrong = guarded.post(path, BODY, headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json["code"]) == (403, "key_unknown")


@pytest.mark.parametrize("path", [*GETS, "/nowhere"])
def test_metadata_needs_a_key(guarded: Site, path: str) -> None:
    """Names and signatures of models, and which paths there are, are told to clients only."""
    assert guarded.scoring.get(path).status_code == 401
    assert guarded.scoring.get(path, headers=KEY).status_code == (
        404 if path == "/nowhere" else 200
    )


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/docs", "/", "/version"])
def test_probes_and_pages_need_none(guarded: Site, path: str) -> None:
    """Probes have no keys, and a browser must get the page that asks for one."""
    assert guarded.scoring.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_the_management_port_needs_none(guarded: Site, path: str) -> None:
    """The platform's port is not for clients."""
    assert guarded.management.get(path).status_code == 200


def test_the_client_is_recorded(guarded: Site) -> None:
    """Log and metrics name the client, and nothing holds the key."""
    answer = guarded.post(PREDICT, BODY, headers=KEY)
    assert answer.status_code == 200
    guarded.scoring.get("/v1/models", headers=KEY)
    assert [event["client"] for event in guarded.events] == ["webshop", "webshop"]
    metrics = guarded.management.get("/metrics").text
    assert 'requests_total{client="webshop",code="200",model="faq",version="1"} 1.0' in metrics
    assert "secret" not in metrics + json.dumps(guarded.events)


def test_too_many(make_guarded: Callable[..., Site]) -> None:
    """A client over its rate gets 429 and is told when to come back."""
    site = make_guarded(requests_per_second=2)
    codes = [site.post(PREDICT, BODY, headers=KEY).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    refused = site.scoring.get("/v1/models", headers=KEY)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert refused.headers["Retry-After"] == "1"


def test_places_come_back(make_guarded: Callable[..., Site]) -> None:
    """A client's place is free again after answers, errors and pages alike."""
    site = make_guarded(most_inflight=1)
    for _ in range(2):
        assert site.post(PREDICT, BODY, headers=KEY).status_code == 200
        assert (
            site.post(PREDICT, b"{", headers=KEY, content_type="application/json").status_code
            == 400
        )
        assert site.scoring.get("/v1/models", headers=KEY).status_code == 200
        assert site.scoring.get("/nowhere", headers=KEY).status_code == 404


def put(file: Path, *keys: str) -> None:
    """Give a client other keys at once: nobody sees a file that is half written."""
    new = file.parent.parent / "new"
    new.write_text("\n".join(digest(key).hex() for key in keys))
    new.replace(file)


@pytest.mark.parametrize("front", ["waitress", "asyncio"])
def test_rotation_under_load(
    faq_models: Path, keys: Path, serve: Callable[..., RunningServer], front: str
) -> None:
    """Keys are exchanged while clients ask: nobody is refused wrongly, and the old key ends."""
    server = serve(faq_models, "--api-keys-dir", str(keys), "--http-server", front)
    codes = {"secret": set[int](), "new": set[int]()}
    switched = threading.Event()

    def ask() -> None:
        while not switched.is_set():
            codes["secret"].add(server.request(PREDICT, BODY, X_API_Key="secret").status)
        for _ in range(20):
            codes["new"].add(server.request(PREDICT, BODY, X_API_Key="new").status)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    put(keys / "webshop", "secret", "new")
    server.wait_for("keys_changed")
    switched.set()
    for client in clients:
        client.join()
    put(keys / "webshop", "new")
    statuses = iter(lambda: server.request(PREDICT, BODY, X_API_Key="secret").status, 403)
    assert set(statuses) <= {200}  # until the change was seen, which a timeout bounds
    assert server.request(PREDICT, BODY, X_API_Key="new").status == 200
    assert codes == {"secret": {200}, "new": {200}}


def test_wrong_keys_stop_the_start(
    faq_models: Path, keys: Path, serve: Callable[..., RunningServer]
) -> None:
    """A key folder that means nothing is refused at start with the exit code of wrong settings."""
    (keys / "other").write_text("secret")
    server = serve(faq_models, "--api-keys-dir", str(keys), wait=False)
    assert server.process.wait(timeout=60) == 2
    server.close()
    assert "other:1: expected a SHA-256" in "".join(server.lines)
