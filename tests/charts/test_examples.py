"""The README's lines are those that work: every `helm` line of the pages renders."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charts.engines import CHART, KUBERNETES, Helm3
from tests.charts.scenarios import EXAMPLES
from tests.conftest import ROOT

FILES = [CHART / "README.md", *sorted((CHART / "examples").glob("*.yaml"))]
COMMAND = re.compile(r"^(?:#\s+)?(helm install (?:[^\n]*\\\n(?:#\s+)?)*[^\n]*)$", re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    """Each `helm install` line, with the name of its file."""
    for file in FILES:
        for line in COMMAND.findall(file.read_text()):
            yield file.name, re.sub(r"\\\n(#\s+)?", " ", line)


@pytest.mark.parametrize(("where", "line"), list(commands()))
def test_install(helm3: Helm3, where: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that a user copies renders, from the root of the project."""
    monkeypatch.chdir(ROOT)
    _, _, *arguments = shlex.split(line)
    done = helm3.run("template", *arguments, "--kube-version", KUBERNETES)
    assert done.returncode == 0, (where, done.stderr)
    assert "kind: Deployment" in done.stdout


def test_examples_are_all_tested() -> None:
    """No example is forgotten, and each says how it is installed."""
    there = {path.name for path in (CHART / "examples").glob("*.yaml")}
    assert {file.name for files in EXAMPLES.values() for file in files} == there
    assert {where for where, _ in commands()} == there | {"README.md"}


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", (CHART / "README.md").read_text()))
def test_links(link: str) -> None:
    """Links of the chart's README lead somewhere."""
    target: Path = CHART / link
    assert target.exists(), link
