"""A repository of small models, the whole application in this process, and long-lived servers."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from modelserver.access import Access
from modelserver.app import create_app, scoring_routes
from modelserver.auth.guard import OPEN, Guard
from modelserver.auth.keys import digest, new_key
from modelserver.load_record import LoadRecord
from modelserver.management import OneProcess, create_management_app
from modelserver.metrics import Metrics
from modelserver.reloading import Reloader
from modelserver.repository import Loader, Repository
from modelserver.scorer import Scorer
from modelserver.scoring import Route, Scoring
from modelserver.wsgi import ScoringApp
from tests.conftest import RunningServer
from tests.modelserver.samples import publish_all, publish_faq, publish_slow

MAX_BODY_BYTES = 100_000
MAX_INSTANCES = 8


def load_repository(folder: Path) -> Repository:
    """Load every model of a folder."""
    return Repository.load(Loader(folder, threads=1), loaded=lambda model: None)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one model of each kind; read it only."""
    return publish_all(tmp_path_factory.mktemp("all") / "models")


@pytest.fixture(scope="session")
def faq_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the FAQ model alone; read it only."""
    repository = tmp_path_factory.mktemp("faq") / "models"
    publish_faq(repository)
    return repository


@pytest.fixture(scope="session")
def repository(models: Path) -> Repository:
    """The loaded models."""
    return load_repository(models)


@pytest.fixture(scope="session")
def faq_repository(faq_models: Path) -> Repository:
    """The loaded FAQ model alone, as the historic /score needs it."""
    return load_repository(faq_models)


@dataclass(frozen=True)
class Door:
    """How a server lets callers in.

    Args:
        flags: of the server.
        headers: of a caller who may come in.
    """

    flags: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def serve(self, models: Path, *flags: str) -> RunningServer:
        """A real server behind this door, whose requests bring what it wants."""
        return RunningServer(models, *flags, *self.flags, headers=self.headers)


@pytest.fixture(scope="session")
def keyed_door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """A door that wants an API key."""
    folder, key = tmp_path_factory.mktemp("keys"), new_key()
    (folder / "tester").write_text(digest(key).hex())
    return Door(("--api-keys-dir", str(folder)), {"X-API-Key": key})


@pytest.fixture(scope="session", params=["open", "keyed"])
def door(request: pytest.FixtureRequest, keyed_door: Door) -> Door:
    """Either door: what a server withstands, it withstands with API keys and without."""
    return keyed_door if request.param == "keyed" else Door()


@dataclass
class Site:
    """Both applications of a server in this process, without sockets."""

    scorer: Scorer
    metrics: Metrics
    scoring: Client
    management: Client
    events: list[dict[str, Any]] = field(default_factory=list)

    def post(self, path: str, body: Any, **more: Any) -> TestResponse:
        """POST to the scoring port; anything but bytes is sent as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            more.setdefault("content_type", "application/json")
        return self.scoring.post(path, data=body, **more)


@pytest.fixture
def make_site() -> Callable[..., Site]:
    """Build applications around a repository, ready unless told otherwise."""

    def make(
        models: Repository | None,
        routes: tuple[Route, ...] = (),
        historic: bool = True,
        guard: Guard = OPEN,
    ) -> Site:
        metrics = Metrics()
        scorer = Scorer(metrics)
        events: list[dict[str, Any]] = []
        access = Access(lambda event, **fields: events.append({"event": event, **fields}), metrics)
        app = create_app(
            scorer, access, guard, historic_api=historic, demo=True, max_rows=MAX_INSTANCES
        )
        scoring = Scoring(
            scorer,
            access,
            (*routes, *scoring_routes(historic)),
            max_body_bytes=MAX_BODY_BYTES,
            max_instances=MAX_INSTANCES,
            guard=guard,
        )
        if models is not None:
            scorer.open(models)
        reloader = Reloader(
            Loader(Path("models"), threads=1), scorer.replace, LoadRecord(access.log, metrics)
        )
        management = create_management_app(OneProcess(scorer, metrics, reloader), access)
        return Site(
            scorer, metrics, Client(ScoringApp(app.wsgi_app, scoring)), Client(management), events
        )

    return make


@pytest.fixture
def site(make_site: Callable[..., Site], repository: Repository) -> Site:
    """The applications with every model."""
    return make_site(repository)


@pytest.fixture
def faq_site(make_site: Callable[..., Site], faq_repository: Repository) -> Site:
    """The applications with the FAQ model alone."""
    return make_site(faq_repository)


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[RunningServer]:
    """A real server with every model; do not stop it."""
    server = RunningServer(models, "--max-body-bytes", str(MAX_BODY_BYTES))
    yield server
    server.close()


@pytest.fixture(scope="session")
def any_server(models: Path, door: Door) -> Iterator[RunningServer]:
    """The same behind either door."""
    server = door.serve(models, "--max-body-bytes", str(MAX_BODY_BYTES))
    yield server
    server.close()


@pytest.fixture(scope="session")
def faq_server(faq_models: Path) -> Iterator[RunningServer]:
    """A real server with the FAQ model alone; do not stop it."""
    server = RunningServer(faq_models, "--max-body-bytes", str(MAX_BODY_BYTES))
    yield server
    server.close()


@pytest.fixture(scope="session")
def slow_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model that takes as long as it is told."""
    repository = tmp_path_factory.mktemp("slow") / "models"
    publish_slow(repository)
    return repository
