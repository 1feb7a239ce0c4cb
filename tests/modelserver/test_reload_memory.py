"""Reloading gives memory back; the benchmark measures it and fails by itself."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_memory_returns() -> None:
    """After 50 reloads, both ways, the server takes at most 10 % more memory than before."""
    command = [sys.executable, "benchmarks/reload_memory.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
