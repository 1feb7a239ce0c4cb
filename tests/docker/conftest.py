"""The image under test, built once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import publish_linear
from tests.docker.containers import HARDENED, Container, Engine, make_context

IMAGE = "localhost/modelserver-test-cpu:latest"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """buildah and podman; the test is skipped where they do not work."""
    engine = Engine.configured(tmp_path_factory.mktemp("containers"))
    if reason := engine.why_not():
        pytest.skip(reason)
    return engine


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the artefact `sum`."""
    repository = tmp_path_factory.mktemp("image") / "models"
    publish_linear(repository)
    return repository


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """The folder that the image is built from."""
    return make_context(tmp_path_factory.mktemp("context"), models)


@pytest.fixture(scope="session")
def image(engine: Engine, context: Path) -> str:
    """The CPU image with `sum` baked in."""
    engine.build(IMAGE, context)
    return IMAGE


@pytest.fixture
def run(engine: Engine, image: str) -> Iterator[Callable[..., Container]]:
    """Start hardened containers that end with the test."""
    started: list[Container] = []

    def start(*arguments: str, options: tuple[str, ...] = ()) -> Container:
        hardened = [*HARDENED, *options]
        started.append(Container.run(engine, image, *arguments, options=hardened))
        return started[-1]

    yield start
    for container in started:
        container.remove()


@pytest.fixture
def readable(tmp_path: Path, models: Path) -> Path:
    """A copy of the models that any user can read, as a mounted volume is."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    return folder
