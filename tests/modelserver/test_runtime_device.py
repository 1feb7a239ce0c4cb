"""Where models run: what was asked for, what ONNX Runtime made of it, and who is told."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime import RunOptions

from modelserver import runtime
from modelserver.errors import ArtefactError, DeadlineExceeded
from modelserver.model import ServedModel
from modelserver.runtime import Device, OnnxModel
from tests.conftest import RunningServer
from tests.modelserver.image_samples import picture, publish_corners, save
from tests.modelserver.samples import publish_slow

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
needs_cpu_package = pytest.mark.skipif(
    CUDA in runtime.onnxruntime.get_available_providers(), reason="the GPU package is installed"
)


@needs_cpu_package
def test_cuda_fails_to_start(serve: Callable[..., RunningServer], linear_artefact: Path) -> None:
    """A server that was told to use CUDA ends with the reason where there is no CUDA."""
    server = serve(linear_artefact, "--device", "cuda", wait=False)
    failed = server.wait_for("failed")
    assert "device cuda was asked for" in failed["error"]
    assert "install onnxruntime-gpu" in failed["error"]
    assert server.process.wait(timeout=60) == 1


@needs_cpu_package
def test_auto_says_what_it_took(serve: Callable[..., RunningServer], linear_artefact: Path) -> None:
    """auto serves on the CPU; log, metric and metadata say so."""
    server = RunningServer(linear_artefact, wait=False)
    try:
        loaded = server.wait_for("model_loaded")
        ready = server.wait_for("ready")
        server.url, server.management_url = ready["url"], ready["management_url"]
        assert loaded["provider"] == CPU
        assert server.request("/v1/models/sum").json["provider"] == CPU
        metrics = server.request("/metrics", management=True).body.decode()
        assert f'provider="{CPU}"' in metrics
    finally:
        server.close()


class FakeSession:
    """An ONNX Runtime session that got other providers than it asked for."""

    def __init__(self, providers: list[str], real: Any) -> None:
        self._providers = providers
        self._real = real

    def get_providers(self) -> list[str]:
        return self._providers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Make ONNX Runtime list CUDA, and load sessions that say they run on `active`."""

    def install(active: str) -> list[Any]:
        asked: list[Any] = []
        real = runtime.onnxruntime.InferenceSession

        def create(path: str, options: Any, providers: list[Any]) -> FakeSession:
            asked.append(providers)
            return FakeSession([active, CPU], real(path, options, providers=[CPU]))

        monkeypatch.setattr(runtime.onnxruntime, "InferenceSession", create)
        monkeypatch.setattr(runtime.onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
        monkeypatch.setattr(runtime.onnxruntime, "preload_dlls", lambda: None, raising=False)
        return asked

    return install


def test_silent_fallback_is_no_cuda(pretend: Any, linear_artefact: Path) -> None:
    """ONNX Runtime falls back to the CPU without an error; asked for CUDA, that is one."""
    pretend(CPU)
    with pytest.raises(ArtefactError, match=f"device cuda was asked for, but .* {CPU}"):
        OnnxModel(linear_artefact / "model.onnx", 1, Device("cuda"))
    assert not OnnxModel(linear_artefact / "model.onnx", 1, Device("auto")).on_gpu


def test_cuda_options(pretend: Any, linear_artefact: Path) -> None:
    """CUDA is asked for with the GPU's number, its memory limit and our choice of algorithms."""
    asked = pretend(CUDA)
    OnnxModel(linear_artefact / "model.onnx", 1, Device("cuda", 2, 5_000_000))
    (((provider, options), fallback),) = asked
    assert (provider, fallback) == (CUDA, CPU)
    assert options == {
        "device_id": 2,
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": 0,
        "gpu_mem_limit": 5_000_000,
    }


def test_cpu_never_asks_for_cuda(pretend: Any, linear_artefact: Path) -> None:
    """device cpu leaves a GPU alone, and so do converters, which do not say."""
    asked = pretend(CPU)
    OnnxModel(linear_artefact / "model.onnx", 1, Device("cpu"))
    OnnxModel(linear_artefact / "model.onnx", 1)
    assert asked == [[CPU], [CPU]]


def test_bound_run_is_a_run(linear_artefact: Path) -> None:
    """Binding outputs to the device, as on a GPU, answers what the plain call answers."""
    model = OnnxModel(linear_artefact / "model.onnx", 1)
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    (bound,) = model._run_bound(feeds, RunOptions(), output_device="cpu")
    np.testing.assert_array_equal(bound, model.run(feeds)["y"])


def test_gpu_batches_have_warmed_sizes(
    pretend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU every batch size is run before the model is ready, and no other one afterwards."""
    folder = publish_corners(tmp_path, max_batch_rows=6)
    sizes: list[int] = []

    def run_bound(self: OnnxModel, feeds: Mapping[str, np.ndarray], options: RunOptions) -> Any:
        sizes.append(len(feeds["image"]))
        return self._run(feeds, options)

    pretend(CUDA)
    monkeypatch.setattr(OnnxModel, "_run_bound", run_bound)
    model = ServedModel.load(folder, 1, Device("auto"))
    assert sizes == [1, 1, 2, 4, 6]  # the golden request, then one run for each size

    images = [save(picture().rotate(turn), "PNG") for turn in (0, 90, 180, 270, 0, 90, 180)]
    predictions = model.score(images, {"top_k": 1})
    assert sizes[5:] == [6, 1]
    single = [model.score([image], {"top_k": 1})[0] for image in images]
    assert predictions == single
    assert set(sizes) == {1, 2, 4, 6}


@pytest.mark.parametrize("deadline", [0.05, 0.0])
def test_a_run_ends_at_its_deadline(tmp_path: Path, deadline: float) -> None:
    """A model that would go on for days is stopped, and the next run is as if nothing was."""
    model = OnnxModel(publish_slow(tmp_path) / "model.onnx", 1)
    with pytest.raises(DeadlineExceeded):
        model.run({"turns": np.array([[10**12]])}, time.perf_counter() + deadline)
    done = model.run({"turns": np.array([[1]])}, time.perf_counter() + 3600)
    np.testing.assert_array_equal(done["done"], [[1]])
