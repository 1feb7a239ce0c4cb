"""A real browser on a real server. Skipped where Playwright or Chromium is missing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelserver.auth.keys import digest
from tests.conftest import RunningServer
from tests.modelserver.image_samples import publish_corners
from tests.modelserver.samples import publish_all

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model for each view of the demo."""
    repository = publish_all(tmp_path_factory.mktemp("browser") / "models")
    publish_corners(repository)
    return repository


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[RunningServer]:
    """A real server with every model; do not stop it."""
    server = RunningServer(models)
    yield server
    server.close()


@pytest.fixture(scope="session")
def guarded_server(
    models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A real server that wants a key, which is "secret"; do not stop it."""
    keys = tmp_path_factory.mktemp("keys")
    (keys / "person").write_text(digest("secret").hex())
    server = RunningServer(models, "--api-keys-dir", str(keys))
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: `make test-browser` installs it"
    )
    if not CHROMIUM:
        pytest.skip("no Chromium: install Debian's package chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of a server; at the end, nothing must have gone wrong in it.

    No script error, nothing that the Content-Security-Policy had to stop, no request to another
    host.
    """
    contexts, problems, hosts = [], [], set()

    def open_page(url: str, path: str = "/", **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # Chromium reports every answer of status 4xx on the console; the pages show them to people.
    assert [
        text for text in problems if "the server responded with a status of 4" not in text
    ] == []
    assert len(hosts) == 1, hosts
