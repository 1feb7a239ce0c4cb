"""A loaded ONNX model; the only module that knows ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from modelserver.errors import ArtefactError, ModelFailed
from modelserver.manifest import ANY_SIZE, TensorSpec

# ONNX Runtime's type texts to the datatypes of the Open Inference Protocol.
_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

_ERRORS_ONLY = 3  # ONNX Runtime's log severity
_PACKAGES = ("onnxruntime", "onnxruntime-gpu")

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class Device:
    """Where models run.

    Args:
        kind: "cpu"; "cuda", which then must be active; or "auto", which is CUDA where it is
            active and the CPU elsewhere.
        gpu_id: which GPU.
        gpu_memory_limit_bytes: what ONNX Runtime's arena may take of it for each model; 0: all.
    """

    kind: str = "cpu"
    gpu_id: int = 0
    gpu_memory_limit_bytes: int = 0


CPU = Device()


class OnnxModel:
    """One ONNX Runtime session on one file; `run` may be called from several threads at once.

    Args:
        path: the ONNX file.
        threads: threads that one inference may use, at least 1.
        device: where it runs.

    Raises:
        ArtefactError: the file is no model that ONNX Runtime can load, an input or output is
            not a tensor, or the model does not run on the device that was asked for.
    """

    def __init__(self, path: Path, threads: int, device: Device = CPU) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Spinning burns a core after every call; measured slower on shared CPUs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = _providers(path, device)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        # ONNX Runtime raises a dozen unrelated types, plain Exception subclasses among them.
        except Exception as error:
            raise ArtefactError(f"{path}: ONNX Runtime cannot load it: {error}") from error
        if device.kind == "cuda" and not self.on_gpu:
            raise ArtefactError(
                f"{path}: device cuda was asked for, but ONNX Runtime fell back to "
                f"{self.provider}; its reason is on standard error above, most often a missing "
                "NVIDIA driver or CUDA or cuDNN libraries of another version"
            )
        self.inputs = _specs(path, self._session.get_inputs())
        self.outputs = _specs(path, self._session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]
        self._gpu_id = device.gpu_id

    @property
    def provider(self) -> str:
        """The execution provider that runs the model, as ONNX Runtime itself reports it."""
        return str(self._session.get_providers()[0])

    @property
    def on_gpu(self) -> bool:
        """Whether the model runs on a GPU; asking for one proves nothing, ONNX Runtime drops it."""
        return self.provider == _CUDA

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Score one batch.

        Args:
            feeds: each input's name and array, batch axis first.

        Returns:
            Each output's name and array.

        Raises:
            ModelFailed: the model raised on this input.
        """
        run = self._run_bound if self.on_gpu else self._run
        try:
            outputs = run(feeds)
        except Exception as error:
            raise ModelFailed(f"the model could not score this input: {error}") from error
        return dict(zip(self._output_names, outputs, strict=True))

    def _run(self, feeds: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        outputs: Sequence[np.ndarray] = self._session.run(self._output_names, feeds)
        return outputs

    def _run_bound(
        self, feeds: Mapping[str, np.ndarray], output_device: str = "cuda"
    ) -> Sequence[np.ndarray]:
        """Run with outputs that stay on the device until all are there, then copy them once."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        for name in self._output_names:
            binding.bind_output(name, output_device, self._gpu_id)
        self._session.run_with_iobinding(binding)
        outputs: Sequence[np.ndarray] = binding.copy_outputs_to_cpu()
        return outputs


def runtime_version() -> str:
    """The version of the installed ONNX Runtime."""
    return str(onnxruntime.__version__)


def check_installation() -> None:
    """Refuse two ONNX Runtime packages side by side: they share one import name.

    Raises:
        ArtefactError: both the CPU and the GPU package are installed.
    """
    installed = []
    for package in _PACKAGES:
        try:
            installed.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    if len(installed) > 1:
        raise ArtefactError(
            f"{' and '.join(installed)} are both installed and overwrite each other; "
            "uninstall both, then install one"
        )


def _providers(path: Path, device: Device) -> list[Any]:
    """What to ask ONNX Runtime for; what it makes of it is seen only in the session."""
    if device.kind == "cpu":
        return [_CPU]
    if _CUDA not in onnxruntime.get_available_providers():
        if device.kind == "auto":
            return [_CPU]
        raise ArtefactError(
            f"{path}: device cuda was asked for, but the installed onnxruntime "
            f"{runtime_version()} is the CPU package; install onnxruntime-gpu instead"
        )
    # Finds the CUDA and cuDNN libraries that were installed as Python packages.
    onnxruntime.preload_dlls()
    options = {
        "device_id": device.gpu_id,
        # The default search runs every algorithm at the first sight of each shape.
        "cudnn_conv_algo_search": "HEURISTIC",
        # The default doubles the arena each time, and never gives anything back.
        "arena_extend_strategy": "kSameAsRequested",
        # TF32 keeps 10 bits of a float32's 23: the golden answers would not hold.
        "use_tf32": 0,
    }
    if device.gpu_memory_limit_bytes:
        options["gpu_mem_limit"] = device.gpu_memory_limit_bytes
    return [(_CUDA, options), _CPU]


def _specs(path: Path, arguments: Sequence[Any]) -> tuple[TensorSpec, ...]:
    """Describe a session's inputs or outputs; a named or unknown axis becomes -1."""
    specs = []
    for argument in arguments:
        if argument.type not in _DATATYPES:
            raise ArtefactError(
                f"{path}: {argument.name}: {argument.type} cannot be served; expected a tensor "
                "(export classifiers with ZipMap off)"
            )
        shape = tuple(size if isinstance(size, int) else ANY_SIZE for size in argument.shape)
        specs.append(TensorSpec(argument.name, _DATATYPES[argument.type], shape))
    return tuple(specs)
