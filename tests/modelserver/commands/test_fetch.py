"""`python -m modelserver fetch`: a model is there whole, or not at all."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelserver.__main__ import main
from modelserver.artefact import Artefact
from modelserver.artefact_folders import find_artefacts
from tests.conftest import ROOT, publish_linear
from tests.modelserver.fetching.conftest import FileServer, answer, pack, server

__all__ = ["server"]

Fetch = Callable[..., int]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


@pytest.fixture
def fetch(into: Path) -> Fetch:
    """Run the command on loopback."""

    def run(url: str, sha256: str, *more: str) -> int:
        arguments = ["--url", url, "--sha256", sha256, "--into", str(into), "--allow-http"]
        return main(["fetch", *arguments, *more])

    return run


def shown(folder: Path) -> list[str]:
    """What a server would look at."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not str(path).startswith("."))


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz"])
def test_repository(
    ending: str, linear_artefact: Path, server: FileServer, fetch: Fetch, into: Path
) -> None:
    """An archive of a repository becomes a folder that the server serves."""
    publish_linear(linear_artefact.parent.parent, "other")
    mode = "w" if ending == "tar" else "w:gz"
    content = pack(linear_artefact.parent.parent, mode)
    assert fetch(*server.add(f"m.{ending}", content)) == 0
    assert find_artefacts(into) == [into / "other" / "1", into / "sum" / "1"]
    for folder in find_artefacts(into):
        Artefact.open(folder).verify()


@pytest.mark.parametrize("prefix", ["", "./"])
def test_artefact(
    prefix: str, linear_artefact: Path, server: FileServer, fetch: Fetch, into: Path
) -> None:
    """An archive of one artefact makes the folder that artefact."""
    assert fetch(*server.add("m.tgz", pack(linear_artefact, prefix=prefix))) == 0
    assert find_artefacts(into) == [into]
    Artefact.open(into).verify()


def test_plain_file(server: FileServer, fetch: Fetch, into: Path) -> None:
    """Any other file is put there under the name of its address."""
    url, sha256 = server.add("weights.bin", b"content")
    assert fetch(f"{url}?version=3", sha256) == 0
    assert shown(into) == ["weights.bin"]
    assert (into / "weights.bin").read_bytes() == b"content"


def test_second_run_does_nothing(
    linear_artefact: Path,
    server: FileServer,
    fetch: Fetch,
    into: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is there is not downloaded again."""
    file = server.add("m.tgz", pack(linear_artefact.parent.parent))
    assert fetch(*file) == 0
    capsys.readouterr()
    assert fetch(*file) == 0
    assert capsys.readouterr().out == f"fetch: nothing to do: {file[0]} is in {into} already\n"
    assert len(server.requests) == 1


def test_what_was_lost_is_fetched_again(
    linear_artefact: Path, server: FileServer, fetch: Fetch, into: Path
) -> None:
    """The record of an earlier run counts only while its files are there."""
    file = server.add("m.tgz", pack(linear_artefact.parent.parent))
    assert fetch(*file) == 0
    shutil.rmtree(into / "sum")
    assert fetch(*file) == 0
    Artefact.open(into / "sum" / "1").verify()


@pytest.mark.parametrize("lost", ["manifest.json", "model.onnx"])
def test_interrupted_while_showing(
    lost: str, linear_artefact: Path, server: FileServer, fetch: Fetch, into: Path
) -> None:
    """A run that was ended between two renames is completed by the next one."""
    file = server.add("m.tgz", pack(linear_artefact))
    assert fetch(*file) == 0
    (into / lost).unlink()
    (into / ".fetch" / f"{file[1]}.json").unlink()
    assert fetch(*file) == 0
    Artefact.open(into).verify()


def test_nothing_is_left_over(
    linear_artefact: Path, server: FileServer, fetch: Fetch, into: Path
) -> None:
    """Neither the archive nor an unpacked copy takes room afterwards."""
    _, sha256 = file = server.add("m.tgz", pack(linear_artefact))
    assert fetch(*file) == 0
    assert [path.name for path in (into / ".fetch").iterdir()] == [f"{sha256}.json"]


def test_another_model_in_its_place(
    linear_artefact: Path,
    server: FileServer,
    fetch: Fetch,
    into: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is there is never overwritten, and nothing is added beside it."""
    repository = linear_artefact.parent.parent
    assert fetch(*server.add("m.tgz", pack(repository))) == 0
    (linear_artefact / "report.md").write_text("another")
    publish_linear(repository, "another")
    assert fetch(*server.add("n.tgz", pack(repository))) == 1
    assert "sum/1: exists with another content" in capsys.readouterr().err
    assert find_artefacts(into) == [into / "sum" / "1"]


def test_new_version_comes_beside_the_old(
    linear_artefact: Path, server: FileServer, fetch: Fetch, into: Path
) -> None:
    """An archive with the old version and a new one adds the new one."""
    repository = linear_artefact.parent.parent
    assert fetch(*server.add("m.tgz", pack(repository))) == 0
    publish_linear(repository, version=2)
    assert fetch(*server.add("n.tgz", pack(repository))) == 0
    assert find_artefacts(into) == [into / "sum" / "1", into / "sum" / "2"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.tgz", b"no archive", "the archive cannot be read"),
        ("m.tar", None, "neither an artefact"),
    ],
)
def test_useless_archive(
    name: str,
    content: bytes | None,
    reason: str,
    tmp_path: Path,
    server: FileServer,
    fetch: Fetch,
    into: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An archive without an artefact shows nothing and says what was expected."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "model.onnx").write_bytes(b"")
    assert fetch(*server.add(name, content or pack(tmp_path / "x", "w"))) == 1
    assert reason in capsys.readouterr().err
    assert shown(into) == []


def test_wrong_hash_shows_nothing(
    linear_artefact: Path,
    server: FileServer,
    fetch: Fetch,
    into: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing of a download is unpacked before its hash is right."""
    url, _ = server.add("m.tgz", pack(linear_artefact))
    assert fetch(url, "0" * 64) == 1
    assert capsys.readouterr().err.startswith(f"fetch: failed: {url}: expected SHA-256 000")
    assert shown(into) == []


def test_http_needs_a_flag(into: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain http is refused unless it is asked for by name."""
    code = main(["fetch", "--url", "http://h/x", "--sha256", "0" * 64, "--into", str(into)])
    assert code == 1
    assert "expected an https:// address; --allow-http accepts it" in capsys.readouterr().err
    assert not into.exists()


def test_folder_that_cannot_be_written(
    server: FileServer, fetch: Fetch, into: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trouble with the disk is one line, not a traceback."""
    into.write_text("a file")
    assert fetch(*server.add("m.bin", b"x")) == 1
    assert capsys.readouterr().err == f"fetch: failed: {into / '.fetch'}: Not a directory\n"


def test_killed_run_is_continued(linear_artefact: Path, server: FileServer, into: Path) -> None:
    """A process that is killed in the middle leaves what it has for the next one."""
    url, sha256 = server.add("m.tgz", content := pack(linear_artefact))
    command = [sys.executable, "-m", "modelserver", "fetch", "--url", url, "--sha256", sha256]
    command += ["--into", str(into), "--allow-http"]
    part = into / ".fetch" / f"{sha256}.part"

    def half_then_kill(handler: object, _: bytes) -> None:
        answer(handler, 200, content[:1000], Content_Length=str(len(content)))  # type: ignore[arg-type]
        while not part.exists():
            pass
        process.kill()
        process.wait()

    server.misbehave.append(half_then_kill)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    process.wait()
    assert shown(into) == []
    part.write_bytes(content[:1000])  # how much of it was on disk is a matter of chance
    assert subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0
    assert server.ranges == [None, "bytes=1000-"]
    Artefact.open(into).verify()


def test_fetch_is_light() -> None:
    """An init container with little memory can run it: none of the serving libraries are loaded."""
    arguments = ["fetch", "--url", "x", "--sha256", "0", "--into", "x"]
    script = "import sys; from modelserver.__main__ import main; main(sys.argv[1:]);"
    script += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "onnxruntime", "flask", "PIL", "waitress"} & set(done.stdout.split())
