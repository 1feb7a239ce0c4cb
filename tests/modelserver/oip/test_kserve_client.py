"""KServe's official REST client, unmodified, in the environment that `make test-kserve` makes."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningServer

PYTHON = ROOT / ".venv-kserve" / "bin" / "python"
SUMS = [[6.0], [0.875]]


def test_kserve_client(oip_server: RunningServer) -> None:
    """Health, inference in JSON and binary both ways, texts, ids, errors, and the V1 protocol."""
    if not PYTHON.exists():
        pytest.skip("KServe's client is not installed; `make test-kserve` does it")
    script = Path(__file__).with_name("kserve_talk.py")
    done = subprocess.run(
        [PYTHON, script, oip_server.url], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    error = found["v2"].pop("error")
    assert found["v2"] == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "other_ready": False,
        **{
            f"in {binary_in}, out {binary_out}": ["seven", "sum", SUMS]
            for binary_in in (True, False)
            for binary_out in (True, False)
        },
        "text": 1,
    }
    assert error.startswith("HTTPStatusError: Request for unknown model 'other'")
    assert found["v1"] == {"model_ready": True, "predictions": SUMS}
