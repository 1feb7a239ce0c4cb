"""Nothing of ours reports to anybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("program", ["modelserver", "converters"])
def test_onnx_runtime_does_not_call_home(
    program: str, linear_artefact: Path, tmp_path: Path
) -> None:
    """ONNX Runtime's telemetry, which begins by leaving an id in the home folder, stays off."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
    command = [sys.executable, "-m", program, "check", str(linear_artefact)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert list(home.iterdir()) == []
