"""The documentation is true: its commands run, its links lead somewhere, its targets exist."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from converters.__main__ import COMMANDS
from converters.__main__ import main as converters
from modelserver.__main__ import main as modelserver
from tests.conftest import ROOT, RunningServer

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(
    r"`((?:modelserver|converters|tests|benchmarks|examples|charts|docker)/[^`\s<>*:]*)(?:::\w+)?`"
)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
SERVE = "python -m modelserver"


def blocks() -> list[object]:
    """Every block of shell commands, named by the page and line it stands on."""
    found: list[object] = []
    for page in PAGES:
        text = page.read_text()
        for match in BLOCK.finditer(text):
            line = text[: match.start()].count("\n") + 2
            name = f"{page.relative_to(ROOT)}:{line}"
            found.append(pytest.param(match.group(1), id=name))
    return found


@pytest.fixture(scope="module")
def demo(javascript_faq: Path) -> Iterator[RunningServer]:
    """The server of `make demo`."""
    server = RunningServer(javascript_faq.parent.parent)
    yield server
    server.close()


@pytest.fixture
def desk(tmp_path: Path, javascript_faq: Path) -> Path:
    """A folder like a checkout in which a reader has followed the quickstart."""
    for name in ("examples", "benchmarks"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(javascript_faq, tmp_path / "models" / "javascript-faq" / "1")
    return tmp_path


@pytest.mark.parametrize("block", blocks())
def test_commands_run(block: str, demo: RunningServer, desk: Path) -> None:
    """Every command of every page works as printed."""
    if block == "make demo\n":
        return  # test_make_demo
    if block.startswith("make "):
        for line in block.splitlines():
            subprocess.run(["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, check=True)
        return
    if block.startswith(f"{SERVE} --"):
        flags = block.removeprefix(SERVE).replace("\\\n", " ").split()
        models = flags[flags.index("--models") + 1]
        # The ready line is waited for in the JSON form.
        others = [f for f in flags if f not in ("--models", models, "--log-format", "text")]
        server = RunningServer(desk / models, *others)
        server.close()
        return
    script = block.replace("http://localhost:8080", demo.url)
    script = script.replace("http://localhost:9090", demo.management_url)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("curl -s ", "curl -s --fail-with-body ")],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_demo(clone: Path, javascript_faq: Path) -> None:
    """`make demo` serves what it made, and the curl line it prints finds the right FAQ first."""
    command = ["make", "-C", str(clone), "demo", "PORT=0", "MANAGEMENT_PORT=0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            assert running.stdout is not None
            printed = next(line for line in running.stdout if "curl " in line)
            asked = subprocess.run(
                ["bash", "-c", "curl " + printed.partition("curl ")[2]],
                stdout=subprocess.PIPE,
                check=True,
            )
        finally:
            os.killpg(running.pid, signal.SIGINT)
    golden = json.loads((javascript_faq / "example" / "response.json").read_text())
    answer = json.loads(asked.stdout)["predictions"]
    assert answer[0]["matches"][0]["id"] == golden["predictions"][0]["matches"][0]["id"]


def test_readme_answer(demo: RunningServer) -> None:
    """The answer that the README shows is the one that its command gets."""
    readme = (ROOT / "README.md").read_text()
    (question,) = re.findall(r"-d '([^']*)'", readme)
    path = "/v1/models/javascript-faq:predict"
    got = demo.request(path, question.encode(), Content_Type="text/plain").json["predictions"][0]
    row = r'{"id": (\d+), "answer_id": (\d+), "title": "(.*?)", "score": ([\d.]+)}'
    shown = re.findall(row, readme)
    assert len(shown) == 2
    for known, match in zip(shown, got["matches"], strict=False):
        assert known[:3] == (str(match["id"]), str(match["answer_id"]), match["title"])
        assert float(known[3]) == pytest.approx(match["score"], abs=0.05)


@pytest.mark.parametrize("page", [pytest.param(p, id=p.name) for p in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file, and its heading when it names one."""
    for target, heading in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {target}"
        if heading:
            anchors = {
                re.sub(r"[^\w\- ]", "", text).lower().replace(" ", "-")
                for text in HEADING.findall(path.read_text())
            }
            assert heading in anchors, f"{page.name} links to {target}#{heading}"


def test_readme_opens_with_the_two_commands() -> None:
    """The first two commands a newcomer reads are `make demo` and `make test`."""
    first, second, *_ = BLOCK.findall((ROOT / "README.md").read_text())
    assert (first, second) == ("make demo\n", "make test\n")


def test_ci_runs_the_readme_test_command() -> None:
    """CI runs what the README tells people to run."""
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", [pytest.param(p, id=p.name) for p in PAGES])
def test_files_exist(page: Path) -> None:
    """A file or folder that a page names is there, in the project or, for a test, among these."""
    named = set(FILE.findall(page.read_text()))
    assert {n for n in named if not any((r / n).exists() for r in (ROOT, ROOT / "tests"))} == set()


CONVERTER_PAGES = ("converters.md", "quickstart.md", "stackexchange.md")


@pytest.mark.parametrize("name", CONVERTER_PAGES)
def test_flags_of_the_converters_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that a page on converters names is one of a command's own, or of the server's."""
    for words in (*([command.NAME] for command in COMMANDS), ["faq", "add"]):
        with pytest.raises(SystemExit):
            converters([*words, "--help"])
    with pytest.raises(SystemExit):
        modelserver(["--help"])
    known = set(FLAG.findall(capsys.readouterr().out))
    assert set(FLAG.findall((ROOT / "docs" / name).read_text())) - known == set()


NAMED_TEST = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_threats_are_tested() -> None:
    """Every defence of the threat model names a test that is there."""
    page = (ROOT / "docs" / "threat-model.md").read_text()
    named = NAMED_TEST.findall(page)
    assert len(named) > 30
    for path, function in named:
        text = (ROOT / "tests" / path).read_text()
        assert not function or f"def {function}(" in text, f"{path}::{function}"
