"""The load test, run by Locust against a real server; `make loadtest` installs Locust."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningServer
from tests.modelserver.samples import publish_all

LOCUST = ROOT / ".venv-load" / "bin" / "locust"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server with a model of each kind."""
    server = RunningServer(publish_all(tmp_path_factory.mktemp("load") / "models"))
    yield server
    server.close()


def run(url: str, report: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the load test for two seconds."""
    if not LOCUST.exists():
        pytest.skip("no Locust: `make loadtest` installs it")
    command = [str(LOCUST), "-f", str(ROOT / "examples/load/locustfile.py"), "--host", url]
    command += ["--headless", "--users", "4", "--spawn-rate", "4", "--run-time", "2s"]
    command += ["--think-seconds", "0.02", "--html", str(report), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_every_model_is_asked(server: RunningServer, tmp_path: Path) -> None:
    """People ask all models of a server, every answer counts as good, and a report is written."""
    done = run(server.url, tmp_path / "report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("faq", "pair", "sum"):
        assert f"/v1/models/{name}:predict" in done.stdout + done.stderr
    assert "<html" in (tmp_path / "report.html").read_text()


def test_failures_are_failures(server: RunningServer, tmp_path: Path) -> None:
    """Answers with an error end the run with exit code 1."""
    (tmp_path / "questions.jsonl").write_text('{"text": "%s"}\n' % ("x" * 5000))
    done = run(
        server.url, tmp_path / "report.html", "--questions", str(tmp_path / "questions.jsonl")
    )
    assert done.returncode == 1
    assert "413" in done.stdout + done.stderr
