"""`benchmarks/gpu.py` where there is no GPU: what it says, and that its parts work at all."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from converters.image.sample_images import synthetic_images
from modelserver.runtime import Device
from tests.conftest import ROOT
from tests.modelserver.image_samples import publish_corners

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    yield gpu
    for name in ("gpu", "image_overhead", "machine"):
        sys.modules.pop(name, None)


def test_without_a_gpu(gpu: ModuleType) -> None:
    """It ends at once with exit code 3 and the reason, and prints no figures."""
    if not gpu.why_no_gpu():
        pytest.skip("there is a GPU")
    command = [sys.executable, str(BENCHMARKS / "gpu.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (3, "")
    assert "nothing was measured: device cuda was asked for" in done.stderr


def test_measuring(gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the CPU in the GPU's place every column has its number, and there is no difference."""
    monkeypatch.setattr(gpu, "GPU", Device("cpu"))
    monkeypatch.setattr(gpu, "SECONDS_EACH", 0.02)
    monkeypatch.setattr(gpu, "ask_driver", lambda field: "7 MiB")
    monkeypatch.setattr(gpu, "describe_machine", lambda *libraries: "no machine.")
    row = gpu.measure(publish_corners(tmp_path), synthetic_images())
    assert row["difference"] == row["memory"] == 0
    assert all(row[f"batch {n}"] > 0 for n in gpu.BATCHES)
    table = gpu.markdown([{"precision": "fp32", **row}])
    heads, _, cells, *_ = [line.count("|") for line in table.splitlines()]
    assert heads == cells
