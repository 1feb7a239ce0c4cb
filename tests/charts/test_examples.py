"""Lines that users copy work: those of the README, the examples and the workflow for GitHub."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from modelserver import __version__
from tests.charts.engines import CHART, KUBERNETES, Helm3
from tests.charts.scenarios import EXAMPLES
from tests.conftest import ROOT

FILES = [CHART / "README.md", *sorted((CHART / "examples").glob("*.yaml"))]
WORKFLOW = ROOT / ".ci" / "github" / "chart.yaml"
COMMAND = re.compile(
    r"^(?:#\s+)?(helm (?:install|template) (?:[^\n]*\\\n(?:#\s+)?)*[^\n]*)$", re.MULTILINE
)


def commands() -> Iterator[tuple[str, str]]:
    """Each `helm install` and `helm template` line of a local chart, with the name of its file."""
    for file in FILES:
        for line in COMMAND.findall(file.read_text()):
            if "oci://" in line:
                continue  # needs a registry
            yield file.name, re.sub(r"\\\n(#\s+)?", " ", line)


@pytest.mark.parametrize(("where", "line"), list(commands()))
def test_install(helm3: Helm3, where: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that a user copies renders, from the root of the project."""
    monkeypatch.chdir(ROOT)
    _, _, *arguments = shlex.split(line)
    done = helm3.run("template", *arguments, "--kube-version", KUBERNETES)
    assert done.returncode == 0, (where, done.stderr)
    assert "kind: " in done.stdout


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


def _steps() -> Iterator[str]:
    """The shell lines of the workflow."""
    for job in yaml.safe_load(WORKFLOW.read_text())["jobs"].values():
        for step in job["steps"]:
            yield from step.get("run", "").splitlines()


def test_workflow() -> None:
    """The workflow names targets of the Makefile and files that there are; its release renders."""
    lines = list(_steps())
    makefile = (ROOT / "Makefile").read_text()
    targets = [word for line in lines if line.startswith("make ") for word in line.split()[1:]]
    assert len(targets) >= 2
    for target in targets:
        assert "=" in target or re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target
    installs = [line for line in lines if line.startswith(("helm install", "helm upgrade"))]
    assert installs
    for line in installs:
        (values,) = re.findall(r"-f (\S+)", line)
        assert (ROOT / values).exists()
    assert "\n".join(lines).count(f"scoring-cpu:{__version__} ") == 2
