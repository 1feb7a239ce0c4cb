"""Artefact folders: found by name, verified file by file, and written whole or not at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelserver.artefact import Artefact, new_artefact
from modelserver.artefact_folders import find_artefacts, next_version
from modelserver.errors import ArtefactError
from modelserver.manifest import Manifest, TensorSpec, Tolerances
from tests.conftest import ROOT

SPEC = TensorSpec("x", "FP32", (-1,))
MANIFEST = Manifest(
    name="sum",
    version=1,
    task="tensor",
    inputs=(SPEC,),
    outputs=(SPEC,),
    tolerances=Tolerances(0.0, 0.0),
    created="now",
    batching={"max_batch_rows": 1},
)


def write(
    repository: Path,
    version: int = 1,
    name: str = "sum",
    meanwhile: Callable[[], object] = lambda: None,
) -> Path:
    """Write an artefact whose model is nonsense, which this layer does not mind."""
    with new_artefact(repository, name, version) as draft:
        draft.write("model.onnx", b"nonsense")
        meanwhile()
        draft.write_json("example/request.json", {"instances": [1]})
        draft.write_json("example/response.json", {"predictions": [1.5]})
        draft.seal(MANIFEST)
    return repository / name / str(version)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "models")


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_written_artefact_verifies(folder: Path) -> None:
    """What is written can be read, with every file recorded."""
    artefact = Artefact.open(folder)
    artefact.verify()
    assert artefact.manifest.files.keys() == everything(folder) - {"manifest.json", "example"}
    assert artefact.golden().content_type == "application/json"
    assert artefact.golden().response == {"predictions": [1.5]}


def test_same_input_same_bytes(tmp_path: Path) -> None:
    """The same content gives the same manifest, byte for byte."""
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()


def test_others_may_read(folder: Path) -> None:
    """The folder can be read by a server that runs as another user."""
    assert folder.stat().st_mode & 0o777 == 0o755


def failing(error: type[BaseException]) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, ArtefactError])
def test_failure_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    """An exception while writing removes everything, folders made for it included."""
    with pytest.raises(error):
        write(tmp_path / "deep" / "models", meanwhile=failing(error))
    assert everything(tmp_path) == set()


def test_failure_keeps_others(folder: Path) -> None:
    """A failed version takes nothing with it that was there before."""
    repository = folder.parents[1]
    before = everything(repository)
    with pytest.raises(ValueError):
        write(repository, version=2, meanwhile=failing(ValueError))
    assert everything(repository) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from modelserver.artefact import new_artefact
with new_artefact(Path(sys.argv[1]), "sum", 2) as draft:
    draft.write("model.onnx", b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_writer_leaves_nothing_visible(folder: Path) -> None:
    """A writer that is killed in the middle leaves no version that anyone finds or trips over."""
    repository = folder.parents[1]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(repository)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert any(path.name.startswith(".2.") for path in folder.parent.iterdir())
    assert find_artefacts(repository) == [folder]
    assert next_version(repository, "sum") == 2
    assert write(repository, version=2).is_dir()


def test_half_written_version_is_invisible(tmp_path: Path) -> None:
    """While a version is being written, a reader sees only the finished ones."""
    first = write(tmp_path)
    with new_artefact(tmp_path, "sum", 2) as draft:
        draft.write("model.onnx", b"half")
        draft.write("manifest.json", "{}")
        assert find_artefacts(tmp_path) == [first]
    assert find_artefacts(tmp_path) == [first, tmp_path / "sum" / "2"]


def test_artefacts_are_immutable(folder: Path) -> None:
    """An existing version is never written again."""
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ArtefactError, match="/sum/1: exists; artefacts are immutable"):
        write(folder.parents[1])
    assert (folder / "manifest.json").read_bytes() == before


def test_two_writers_of_one_version(tmp_path: Path) -> None:
    """Of two writers of one version the first wins, and the other says so and cleans up."""
    with pytest.raises(ArtefactError, match="/sum/1: cannot be written: Directory not empty"):
        write(tmp_path, meanwhile=lambda: write(tmp_path))
    Artefact.open(tmp_path / "sum" / "1").verify()
    assert [path.name for path in (tmp_path / "sum").iterdir()] == ["1"]


def test_unwritable_place(tmp_path: Path) -> None:
    """A place that cannot be written is named."""
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ArtefactError, match="models/sum/1: cannot be written: Not a directory"):
        write(tmp_path / "models")


def test_versions_are_found_in_order(tmp_path: Path) -> None:
    """Artefacts come by name, then by number: 10 is newer than 9."""
    for name, version in [("b", 1), ("a", 10), ("a", 9)]:
        write(tmp_path, version, name)
    found = [path.relative_to(tmp_path).as_posix() for path in find_artefacts(tmp_path)]
    assert found == ["a/9", "a/10", "b/1"]


def test_one_artefact_is_found(folder: Path) -> None:
    """A folder with a manifest is an artefact itself."""
    assert find_artefacts(folder) == [folder]


@pytest.mark.parametrize("noise", [".hidden/1", "sum/.draft", "lost+found", "empty", "readme.txt"])
def test_noise_is_left_out(noise: str, folder: Path) -> None:
    """Hidden folders, files, and folders without versions are no models."""
    place = folder.parents[1] / noise
    if place.suffix == ".txt":
        place.write_text("notes")
    else:
        place.mkdir(parents=True)
    assert find_artefacts(folder.parents[1]) == [folder]


def test_folder_of_one_model(folder: Path) -> None:
    """Whoever names a level too deep is told both folders that would do."""
    above = folder.parents[1]
    with pytest.raises(
        ArtefactError, match=f"expected the folder above it, {above}, or .*{folder}"
    ):
        find_artefacts(folder.parent)


@pytest.mark.parametrize("version", ["v1", "0", "-1", "1.0", "²", "١", "00"])
def test_odd_version_is_named(version: str, folder: Path) -> None:
    """A visible folder that is no version is refused instead of overlooked."""
    (folder.parent / version).mkdir()
    with pytest.raises(ArtefactError, match="a version is a positive whole number"):
        find_artefacts(folder.parents[1])


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ("missing", "no such folder"),
        ("file", "is a file; expected a folder"),
        ("empty", "no artefact <name>/<version>/manifest.json in it"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_nothing_to_serve(models: str, reason: str, tmp_path: Path) -> None:
    """A wrong --models is named with the reason."""
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtefactError, match=reason):
        find_artefacts(tmp_path / models)


def test_next_version(tmp_path: Path) -> None:
    """A new version follows the newest one, whatever else lies there."""
    assert next_version(tmp_path, "sum") == 1
    for name in ("2", "10", "1²", ".11.x", "12.old"):
        (tmp_path / "sum" / name).mkdir(parents=True)
    assert next_version(tmp_path, "sum") == 11


def test_mounted_like_a_configmap(folder: Path) -> None:
    """Kubernetes mounts files as links into a hidden folder beside them; that is served."""
    data = folder / "..2026_01_01"
    data.mkdir()
    for path in [path for path in folder.iterdir() if path != data]:
        shutil.move(path, data / path.name)
        path.symlink_to(Path("..data") / path.name)
    (folder / "..data").symlink_to(data.name)
    Artefact.open(folder).verify()


@pytest.mark.parametrize("name", [".hidden", ".git/config", "example/.DS_Store"])
def test_hidden_files_are_ignored(name: str, folder: Path) -> None:
    """Hidden files, which tools leave everywhere, are no damage."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("noise")
    Artefact.open(folder).verify()


def test_huge_manifest(folder: Path) -> None:
    """A manifest beyond all measure is refused unread."""
    os.truncate(folder / "manifest.json", 17 * 2**20)
    with pytest.raises(ArtefactError, match=r"manifest\.json: larger than 16777216 bytes"):
        Artefact.open(folder)


def _relist(folder: Path, change: Callable[[dict[str, Any]], object]) -> Artefact:
    """Change the list of files in the manifest."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    change(values["files"])
    path.write_text(json.dumps(values))
    return Artefact.open(folder)


def test_two_golden_requests(folder: Path) -> None:
    """Exactly one golden request is expected, because only one has an answer."""
    artefact = _relist(
        folder, lambda files: files.update({"example/request.txt": files["model.onnx"]})
    )
    with pytest.raises(ArtefactError, match=r"exactly one golden request of .*, got .*json, .*txt"):
        artefact.golden()


def test_no_golden_request(folder: Path) -> None:
    """An artefact without a golden request cannot prove itself."""
    artefact = _relist(folder, lambda files: files.pop("example/request.json"))
    with pytest.raises(ArtefactError, match=r"exactly one golden request of .*, got none"):
        artefact.golden()


@pytest.mark.parametrize("content", ["", "{", "NaN", '"\\ud800"'])
def test_file_that_is_no_json(content: str, folder: Path) -> None:
    """A file of the artefact that is no strict JSON is named."""
    (folder / "example" / "response.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"/example/response\.json: not valid JSON: "):
        Artefact.open(folder).golden()


def test_unlisted_json(folder: Path) -> None:
    """A file that the manifest does not list is never read."""
    (folder / "faqs.json").write_text("{}")
    with pytest.raises(ArtefactError, match=r"manifest\.json: files: faqs\.json is not listed"):
        Artefact.open(folder).read_json("faqs.json")
