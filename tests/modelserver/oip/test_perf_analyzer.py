"""NVIDIA's perf_analyzer, unmodified, as `make test-perf-analyzer` installs it."""

import csv
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningServer

ENVIRONMENT = ROOT / ".venv-perf-analyzer"
TOOL = ENVIRONMENT / "bin" / "perf_analyzer"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Where the tool finds its libraries; the test is skipped where it cannot start."""
    if not TOOL.exists():
        pytest.skip("perf_analyzer is not installed; `make test-perf-analyzer` does it")
    libraries = {str(path.parent) for path in ENVIRONMENT.rglob("libcudart.so.*")}
    found = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
    done = subprocess.run([TOOL, "--version"], env=found, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"perf_analyzer does not start: {done.stderr.strip()[:200]}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["-m", "sum"], id="binary"),
        pytest.param(["-m", "sum", "-x", "2", "-b", "4"], id="batches of a version"),
        pytest.param(["-m", "sum", "--input-tensor-format", "json"], id="json in"),
        pytest.param(["-m", "sum", "--output-tensor-format", "json"], id="json out"),
        pytest.param(["-m", "fixed"], id="no rows"),
        pytest.param(["-m", "faq", "--shape", "question:1", "-a"], id="texts, asynchronous"),
    ],
)
def test_concurrency_sweep(
    oip_server: RunningServer, environment: dict[str, str], flags: list[str], tmp_path: Path
) -> None:
    """One, then eight, then fifteen clients at once: every request succeeds and is counted."""
    report = tmp_path / "report.csv"
    address = oip_server.url.removeprefix("http://")
    command = [TOOL, "-u", address, *flags, "--concurrency-range", "1:15:7", "-f", str(report)]
    # Any two windows are as good as another here: what counts is that nothing fails.
    command += ["--measurement-mode", "count_windows", "--measurement-request-count", "50"]
    command += ["-s", "999", "-r", "3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail" not in (done.stdout + done.stderr).lower()
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert {row["Concurrency"] for row in rows} == {"1", "8", "15"}
    assert all(float(row["Inferences/Second"]) > 0 for row in rows)
    assert all(float(row["Server Compute Infer"]) > 0 for row in rows)
