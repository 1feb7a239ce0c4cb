"""The Dockerfiles keep their promises, as far as reading them can tell."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

DOCKER = ROOT / "docker"
FILES = [DOCKER / "Dockerfile.cpu", DOCKER / "Dockerfile.gpu"]

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.suffix[1:])


def instructions(path: Path) -> list[tuple[str, str]]:
    """Every instruction with its arguments, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word, " ".join(rest.split())) for word, rest in lines]


def last_stage(path: Path) -> list[tuple[str, str]]:
    """The instructions of the image that is shipped."""
    found = instructions(path)
    begins = max(i for i, (word, _) in enumerate(found) if word == "FROM")
    return found[begins:]


@each_file
def test_hadolint(path: Path) -> None:
    """hadolint, the linter of the trade, has nothing to say."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(path)], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


@each_file
def test_runs_as_nobody_in_particular(path: Path) -> None:
    """The user is a number, so that Kubernetes can see that it is not root."""
    users = [text for word, text in instructions(path) if word == "USER"]
    assert users == ["10001:10001"]


@each_file
def test_entry_point_gets_the_signals(path: Path) -> None:
    """Exec form: the server is process 1 and no shell stands between it and SIGTERM."""
    stage = dict(last_stage(path))
    assert stage["ENTRYPOINT"] == '["python", "-m", "modelserver"]'
    assert "CMD" not in stage
    assert "STOPSIGNAL" not in stage


@each_file
def test_probes_are_the_platforms(path: Path) -> None:
    """Kubernetes probes the management port; a second opinion would restart pods behind it."""
    assert ("HEALTHCHECK", "NONE") in last_stage(path)


@each_file
def test_shipped_stage_installs_nothing(path: Path) -> None:
    """The image that is shipped only gets the finished environment: no pip, apt or download."""
    (run,) = (text for word, text in last_stage(path) if word == "RUN")
    assert "; then python -m modelserver check --device cpu /models; fi" in run
    assert all(word != "ADD" for word, _ in instructions(path))


@each_file
def test_every_install_is_hashed(path: Path) -> None:
    """Whatever pip installs from an index has a hash and is no source to be compiled."""
    commands = [
        part
        for word, text in instructions(path)
        if word == "RUN"
        for part in text.split("&&")
        if " install " in part
    ]
    assert len(commands) == 3
    for command in commands:
        local = "--no-index" in command
        assert local or {"--require-hashes", "--only-binary=:all:"} <= set(command.split())
        assert "--no-deps" in command


@each_file
def test_labels(path: Path) -> None:
    """The image says what it is in the labels of the OCI."""
    labels = dict(last_stage(path))["LABEL"]
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


@each_file
def test_base_is_one_argument(path: Path) -> None:
    """Both stages stand on the same base, which can be another registry's copy or a digest."""
    bases = [text for word, text in instructions(path) if word == "FROM"]
    assert bases == ["${BASE} AS build", "${BASE}"]
    default = next(text for word, text in instructions(path) if text.startswith("BASE="))
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+-slim-bookworm", default)


def test_siblings_differ_only_where_they_must() -> None:
    """The images differ in the packages, the device and what a GPU needs; nothing else."""
    cpu, gpu = (path.read_text().splitlines() for path in FILES)
    only_cpu = sorted(set(cpu) - set(gpu))
    only_gpu = sorted(set(gpu) - set(cpu))
    about = re.compile(r"scoring-|requirements-|Dockerfile\.|for CPUs|for NVIDIA|_DEVICE=|NVIDIA_")
    assert [line for line in only_cpu + only_gpu if not about.search(line)] == []


def test_build_context_is_a_list_of_what_may_enter() -> None:
    """Everything is kept out of the build but what is named: no key, no data, no .git."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] != "#"]
    assert lines[0] == "*"
    named = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source.split("/")[0]
        for path in FILES
        for word, text in instructions(path)
        if word == "COPY" and not text.startswith(("--from", "${MODELS}"))
        for source in text.split()[:-1]
    }
    assert named == copied | {"models"}
