"""The models of a server by name and version."""

import shutil
from pathlib import Path

import pytest

from modelserver.errors import ArtefactError, NotFound
from modelserver.model import ServedModel
from modelserver.repository import Loader, Repository
from tests.conftest import publish_linear
from tests.modelserver.conftest import load_repository as load


def test_every_version_is_loaded(repository: Repository) -> None:
    """Every version of every model is there, in order of name, then number."""
    assert [(model.name, model.version) for model in repository] == [
        ("faq", 1),
        ("pair", 1),
        ("sum", 2),
        ("sum", 10),
    ]
    assert repository.names() == ["faq", "pair", "sum"]
    assert repository.versions("sum") == [2, 10]


@pytest.mark.parametrize(("version", "number"), [(None, 10), ("2", 2), ("10", 10)])
def test_versions(repository: Repository, version: str | None, number: int) -> None:
    """The newest version by number is the default; any other can be named."""
    assert repository.get("sum", version).version == number


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("other", None, "Request for unknown model 'other'; this server has faq, pair, sum"),
        ("SUM", None, "Request for unknown model 'SUM'; "),
        ("", None, "Request for unknown model ''; "),
        ("../sum", None, "Request for unknown model '../sum'; "),
        ("x" * 100, None, f"Request for unknown model '{'x' * 60}…'; "),
        ("a\nb", None, r"Request for unknown model 'a\nb'; "),
        ("sum", "1", "model 'sum' has no version '1'; it has 2, 10"),
        ("sum", "02", "model 'sum' has no version '02'; "),
        ("sum", "2.0", "model 'sum' has no version '2.0'; "),
        ("sum", "٢", "model 'sum' has no version '٢'; "),
        ("sum", "", "model 'sum' has no version ''; "),
        ("sum", "9" * 5000, "model 'sum' has no version '999"),
        ("other", "1", "Request for unknown model 'other'; "),
    ],
    ids=lambda value: str(value)[:20],
)
def test_unknown(repository: Repository, name: str, version: str | None, message: str) -> None:
    """An unknown name or version is told with those there are."""
    with pytest.raises(NotFound) as caught:
        repository.get(name, version)
    assert str(caught.value).startswith(message)


def test_the_only_model(repository: Repository, faq_repository: Repository) -> None:
    """A path without a name means the only model; of several it means none."""
    assert faq_repository.only().name == "faq"
    with pytest.raises(
        NotFound, match="name the model in the path; this server has faq, pair, sum"
    ):
        repository.only()


def test_only_model_in_two_versions(tmp_path: Path) -> None:
    """One model in two versions is still the only one, and the newest answers."""
    for version in (1, 2):
        publish_linear(tmp_path, version=version)
    assert load(tmp_path).only().version == 2


def test_one_artefact(models: Path) -> None:
    """An artefact folder can be served by itself, wherever it lies."""
    assert [model.version for model in load(models / "sum" / "2")] == [2]


def test_one_artefact_under_another_name(models: Path, tmp_path: Path) -> None:
    """A mounted artefact has the folder name that the mount gave it; the manifest names it."""
    shutil.copytree(models / "sum" / "2", tmp_path / "mounted")
    assert load(tmp_path / "mounted").names() == ["sum"]


def test_report_of_loading(models: Path) -> None:
    """Each model is reported as soon as it is loaded."""
    seen: list[ServedModel] = []
    repository = Repository.load(Loader(models, threads=1), seen.append)
    assert seen == list(repository)


def test_one_that_fails_fails_all(tmp_path: Path) -> None:
    """A damaged model is not overlooked because others are sound."""
    publish_linear(tmp_path, "a")
    (publish_linear(tmp_path, "b") / "model.onnx").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"/b/1/model\.onnx: expected 115 bytes, got 0"):
        load(tmp_path)


@pytest.mark.parametrize("folder", ["other/1", "sum/3"])
def test_folder_of_another_name(tmp_path: Path, folder: str) -> None:
    """A model in a folder of another name or version is refused, because paths would lie."""
    place = tmp_path / folder
    place.parent.mkdir()
    publish_linear(tmp_path / "elsewhere").rename(place)
    shutil.rmtree(tmp_path / "elsewhere")
    with pytest.raises(
        ArtefactError, match=f"{folder}: holds sum version 1; the folder must be su"
    ):
        load(tmp_path)
