"""Hostile bodies against every scoring path of a real server: an answer in time, never a 5xx."""

import http.client
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from modelserver.app import scoring_routes
from tests.conftest import ROOT, RunningServer
from tests.modelserver.conftest import Door
from tests.modelserver.hostile_bodies import HOSTILE_JSON, TEXT_FORMS
from tests.modelserver.image_samples import publish_corners
from tests.modelserver.samples import publish_all

LONGEST_ANSWER_SECONDS = 30  # a hang, on however busy a machine
JSON = "application/json"

PATHS = {
    "/v1/models/<name>:predict": [
        "/v1/models/faq:predict",
        "/v1/models/pair:predict",
        "/v1/models/sum/versions/2:predict",
        "/v1/models/corners:predict",
    ],
    "/v2/models/<name>/infer": [
        "/v2/models/faq/infer",
        "/v2/models/pair/infer",
        "/v2/models/sum/versions/2/infer",
        "/v2/models/corners/infer",
    ],
    "/api/v1/service/<name>/score": [
        "/api/v1/service/faq/score",
        "/api/v1/service/sum/score",
        "/api/v1/service/corners/score",
    ],
    "/score": ["/score"],
}
"""Paths of every scoring route; /score is asked of a server with one model alone."""

EVERY_PATH = [path for paths in PATHS.values() for path in paths]


@pytest.fixture(scope="module")
def every_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model of every kind."""
    repository = tmp_path_factory.mktemp("models")
    publish_all(repository)
    publish_corners(repository)
    return repository


@pytest.fixture(scope="module")
def all_server(every_model: Path, door: Door) -> Iterator[RunningServer]:
    """A server with a model of every kind, at its default limits; do not stop it."""
    running = door.serve(every_model)
    yield running
    running.close()


@pytest.fixture(scope="module")
def lone_server(faq_models: Path, door: Door) -> Iterator[RunningServer]:
    """A server with the FAQ model alone; do not stop it."""
    running = door.serve(faq_models)
    yield running
    running.close()


class Caller:
    """Posts to one server over one connection, as long as the server keeps it."""

    def __init__(self, server: RunningServer, headers: Mapping[str, str]) -> None:
        self._server = server
        self._headers = headers
        where = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(
            where.hostname or "", where.port, timeout=LONGEST_ANSWER_SECONDS
        )

    def post(self, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
        """Send one request; a hang raises TimeoutError."""
        headers = {"Content-Type": content_type, **self._headers}
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def try_all(
        self, path: str, bodies: Iterable[tuple[str, str, bytes]]
    ) -> tuple[int, dict[str, str]]:
        """Post named bodies; returns how many, and what was answered badly, by name."""
        bad, sent = {}, 0
        for name, content_type, body in bodies:
            status, content = self.post(path, content_type, body)
            sent += 1
            if fault := find_fault(status, content):
                bad[name] = fault
        return sent, bad

    def close(self) -> None:
        """Close the connection, and see that nothing went wrong inside the server."""
        self._connection.close()
        assert self._server.process.poll() is None
        assert not [line for line in self._server.lines if '"internal_error"' in line]


def find_fault(status: int, content: bytes) -> str:
    """What is wrong with an answer to a client, empty when nothing is."""
    if status >= 500 or status in (401, 403):
        return f"{status} {content[:200]!r}"
    if status == 200:
        json.loads(content)
        return ""
    error = json.loads(content)
    if list(error) != ["error", "code", "request_id"] or not error["error"]:
        return f"{status} without the shape of errors: {content[:200]!r}"
    return "" if len(content) < 2000 else f"{status} with {len(content)} bytes"


@pytest.fixture
def server(path: str, all_server: RunningServer, lone_server: RunningServer) -> RunningServer:
    """The server that answers `path`."""
    return lone_server if path == "/score" else all_server


@pytest.fixture
def caller(server: RunningServer) -> Iterator[Caller]:
    """Asks with what the server wants."""
    caller = Caller(server, server.headers)
    yield caller
    caller.close()


def test_every_route_is_tried() -> None:
    """A new scoring route is attacked as well: it has to be put into the table above."""
    assert set(PATHS) == {route.label for route in scoring_routes(historic_api=True)}


@pytest.mark.parametrize("path", EVERY_PATH)
def test_own_bodies(caller: Caller, path: str) -> None:
    """Bodies of our own making, as JSON and as a raw body, are answered or refused in words."""
    kinds = (JSON, "text/plain", "application/octet-stream", "image/png", "multipart/form-data")
    bodies = (
        (f"{name} as {kind}", kind, body) for name, body in HOSTILE_JSON.items() for kind in kinds
    )
    sent, bad = caller.try_all(path, bodies)
    assert bad == {}
    assert sent == len(HOSTILE_JSON) * len(kinds)


@pytest.mark.parametrize("path", EVERY_PATH)
def test_own_texts(caller: Caller, path: str) -> None:
    """Texts of our own making in every place where the path takes a text."""
    texts = json.loads((ROOT / "tests" / "converters" / "nasty_texts.json").read_text())
    bodies = in_every_place(path, [text["text"] for text in texts])
    sent, bad = caller.try_all(path, bodies)
    assert bad == {}
    assert sent == len(bodies) >= 2 * len(texts)


@pytest.mark.parametrize("path", EVERY_PATH)
def test_json_test_suite(caller: Caller, path: str, shared_data: Path) -> None:
    """JSONTestSuite: files that are not JSON are refused, the others have an answer."""
    files = sorted((shared_data / "nasty" / "json" / "test_parsing").glob("*.json"))
    sent, bad = caller.try_all(path, ((file.name, JSON, file.read_bytes()) for file in files))
    assert bad == {}
    assert sent == 318
    wrong = [file for file in files if file.name.startswith("n_")]
    assert len(wrong) == 188
    assert [f.name for f in wrong if caller.post(path, JSON, f.read_bytes())[0] == 200] == []


@pytest.mark.parametrize(
    "door", ["open", pytest.param("keyed", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize("path", EVERY_PATH)
def test_naughty_strings(caller: Caller, path: str, shared_data: Path) -> None:
    """The big list of naughty strings in every place where the path takes a text."""
    texts = json.loads((shared_data / "nasty" / "strings" / "blns.json").read_text())
    assert len(texts) == 515
    bodies = in_every_place(path, texts)
    sent, bad = caller.try_all(path, bodies)
    assert bad == {}
    assert sent == len(bodies) >= 2 * len(texts)


@pytest.mark.parametrize("path", ["/v1/models/{}:predict", "/v2/models/{}/infer"])
def test_naughty_names(path: str, shared_data: Path, all_server: RunningServer) -> None:
    """A model name can be anything a URL can hold; such a model is not served."""
    caller = Caller(all_server, all_server.headers)
    texts = json.loads((shared_data / "nasty" / "strings" / "blns.json").read_text())
    bad = {}
    for text in texts:
        status, content = caller.post(path.format(quote(text, safe="")), JSON, b"{}")
        if find_fault(status, content) or status not in (400, 404, 405):
            bad[text] = status, content
    caller.close()
    assert bad == {}


STRANGERS = {"no key": ({}, 401), "a wrong key": ({"X-API-Key": "anybody's"}, 403)}


@pytest.mark.parametrize("door", ["keyed"], indirect=True)
@pytest.mark.parametrize(("headers", "status"), STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("path", EVERY_PATH)
def test_strangers(
    server: RunningServer, path: str, headers: dict[str, str], status: int, shared_data: Path
) -> None:
    """Whatever a caller without a right key sends, it is refused for the key alone."""
    files = (shared_data / "nasty" / "json" / "test_parsing").glob("*.json")
    bodies = [*HOSTILE_JSON.values(), *(file.read_bytes() for file in files)]
    caller = Caller(server, headers)
    answers = Counter(caller.post(path, JSON, body)[0] for body in bodies)
    caller.close()
    assert answers == {status: len(HOSTILE_JSON) + 318}


def in_every_place(path: str, texts: Iterable[str]) -> list[tuple[str, str, bytes]]:
    """Name, content type and body of each text in each form that the path takes."""
    forms = next(forms for start, forms in TEXT_FORMS.items() if path.startswith(start))
    return [(f"{text!r} as {name}", *form(text)) for text in texts for name, form in forms.items()]
