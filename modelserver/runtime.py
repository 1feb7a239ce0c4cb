"""A loaded ONNX model; the only module that knows ONNX Runtime."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from modelserver.datatypes import BYTES
from modelserver.errors import ArtefactError, DeadlineExceeded, ModelFailed, RefusedByModel
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.onnx_types import Keys, ValueType, maps_to_tensor, read_type
from modelserver.watchdog import Watchdog

_ERRORS_ONLY, _FATAL_ONLY = 3, 4  # ONNX Runtime's log severities
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

SESSION_OPTIONS: Mapping[str, Sequence[str]] = {
    # Leaves the Q and DQ nodes of a quantised model as they are instead of fusing them with their
    # neighbours: measured 1.8 to 2.6 times as fast for MobileNetV2 in int8 on an AMD EPYC.
    "session.disable_quant_qdq": ("0", "1"),
}
"""What an artefact may ask of ONNX Runtime, and the values; nothing that reads or writes files."""

NO_OPTIONS: Mapping[str, str] = {}


class OnnxModel:
    """One ONNX Runtime session on one file; `run` may be called from several threads at once.

    Args:
        path: the ONNX file.
        threads: threads that one inference may use, at least 1.
        device: where it runs.
        session_options: what the artefact asks of ONNX Runtime; see SESSION_OPTIONS.

    Raises:
        ArtefactError: the file is no model that ONNX Runtime can load, an input or output is
            of a type that cannot be served, or the model does not run on the device that was
            asked for.
    """

    def __init__(
        self,
        path: Path,
        threads: int,
        device: Device = CPU,
        session_options: Mapping[str, str] = NO_OPTIONS,
    ) -> None:
        options = _session_options(path, threads, session_options)
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
        inputs = _describe(path, self._session.get_inputs())
        outputs = _describe(path, self._session.get_outputs(), maps=True)
        given = _describe(path, self._session.get_overridable_initializers())
        self.inputs = tuple(spec for spec, kind in inputs if not kind.is_optional)
        self.optional_inputs = tuple(spec for spec, kind in inputs if kind.is_optional)
        self.optional_inputs += tuple(spec for spec, _ in given)
        self.outputs = tuple(spec for spec, _ in outputs)
        self._output_names = [spec.name for spec in self.outputs]
        self._maps = {spec.name: spec.datatype for spec, kind in outputs if kind.map_shape}
        self._keys: dict[str, Keys] = {}
        self._gpu_id = device.gpu_id
        # ONNX Runtime can keep on the device what is a tensor of numbers.
        specs = (*self.inputs, *self.optional_inputs, *self.outputs)
        self._binds = self.on_gpu and not self._maps and all(s.datatype != BYTES for s in specs)
        self._watchdog = Watchdog()

    @property
    def provider(self) -> str:
        """The execution provider that runs the model, as ONNX Runtime itself reports it."""
        return str(self._session.get_providers()[0])

    @property
    def on_gpu(self) -> bool:
        """Whether the model runs on a GPU; asking for one proves nothing, ONNX Runtime drops it."""
        return self.provider == _CUDA

    @property
    def keys(self) -> Mapping[str, Keys]:
        """The keys of each output that is made of maps, by column; known after the first run."""
        return self._keys

    def run(
        self, feeds: Mapping[str, np.ndarray], deadline: float = math.inf
    ) -> dict[str, np.ndarray]:
        """Score one batch.

        Args:
            feeds: each input's name and array; optional ones may be missing.
            deadline: the `time.perf_counter()` at which the run is ended between two nodes.

        Returns:
            Each output's name and array.

        Raises:
            RefusedByModel: this input made a node of the graph fail.
            DeadlineExceeded: the deadline came first.
            ModelFailed: the model failed for another reason.
        """
        run = self._run_bound if self._binds else self._run
        options = _run_options()
        watched = self._watchdog.watch(deadline, lambda: setattr(options, "terminate", True))
        try:
            values = run(feeds, options)
        except Exception as error:
            if options.terminate:
                raise DeadlineExceeded("the model did not come back in time") from error
            raise _blame(error) from error
        finally:
            self._watchdog.leave(watched)
        outputs = dict(zip(self._output_names, values, strict=True))
        for name, datatype in self._maps.items():
            outputs[name] = self._lay_out(name, outputs[name], datatype)
        return outputs

    def _run(
        self, feeds: Mapping[str, np.ndarray], options: onnxruntime.RunOptions
    ) -> Sequence[Any]:
        outputs: Sequence[Any] = self._session.run(self._output_names, feeds, options)
        return outputs

    def _lay_out(self, name: str, maps: Any, datatype: str) -> np.ndarray:
        """Make a tensor of maps, whose keys must be the same each time."""
        try:
            keys, rows = maps_to_tensor(maps, datatype)
        except ValueError as error:
            raise ModelFailed(f"output {name}: {error}") from error
        if rows.size and self._keys.setdefault(name, keys) != keys:
            raise ModelFailed(f"output {name}: its maps have other keys than at the first run")
        return rows

    def _run_bound(
        self,
        feeds: Mapping[str, np.ndarray],
        options: onnxruntime.RunOptions,
        output_device: str = "cuda",
    ) -> Sequence[np.ndarray]:
        """Run with outputs that stay on the device until all are there, then copy them once."""
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        for name in self._output_names:
            binding.bind_output(name, output_device, self._gpu_id)
        self._session.run_with_iobinding(binding, options)
        outputs: Sequence[np.ndarray] = binding.copy_outputs_to_cpu()
        return outputs


def _run_options() -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    # An input that a node refuses is the caller's affair; the session's level would print it.
    options.log_severity_level = _FATAL_ONLY
    return options


def _session_options(
    path: Path, threads: int, asked: Mapping[str, str]
) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Spinning burns a core after every call; measured slower on shared CPUs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in asked.items():
        if value not in SESSION_OPTIONS.get(name, ()):
            raise ArtefactError(
                f"{path}: the manifest asks for the session option {name}={value}; this server "
                f"knows {', '.join(SESSION_OPTIONS)}, each with certain values"
            )
        options.add_session_config_entry(name, value)
    return options


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


def _describe(
    path: Path, arguments: Sequence[Any], maps: bool = False
) -> list[tuple[TensorSpec, ValueType]]:
    """Describe a session's inputs or outputs; a named or unknown axis becomes -1."""
    described = []
    for argument in arguments:
        try:
            kind = read_type(argument.type)
        except ValueError as error:
            raise ArtefactError(f"{path}: {argument.name}: {error}") from error
        if kind.map_shape and not maps:
            raise ArtefactError(
                f"{path}: {argument.name}: {argument.type} cannot be served as an input; expected "
                "a tensor (export what turns maps into tensors, such as DictVectorizer, apart)"
            )
        shape = tuple(size if isinstance(size, int) else ANY_SIZE for size in argument.shape)
        described.append((TensorSpec(argument.name, kind.datatype, kind.map_shape or shape), kind))
    return described


# What ONNX Runtime says when a node raises; on its own machine trouble it says so in these words.
_FAILED_NODE = re.compile(r"while running (\w+) node\. Name:'([^']*)'")
_MACHINE_TROUBLE = re.compile(r"allocat|CUDA|CUDNN|CUBLAS|bad_alloc|out of memory", re.IGNORECASE)
_WRONG_INPUT = re.compile(r"Invalid rank for input|Got invalid dimensions for input")


def _blame(error: Exception) -> ModelFailed:
    """Say whose fault a failed run is; ONNX Runtime's own text may quote the input."""
    text = str(error)
    if _MACHINE_TROUBLE.search(text):
        return ModelFailed("the model ran out of memory or lost its device on this input")
    node = _FAILED_NODE.search(text)
    if node:
        where = f"{node[2]} ({node[1]})" if node[2] else node[1]
        return RefusedByModel(f"the model cannot take this input: its node {where} failed")
    if _WRONG_INPUT.search(text):
        return RefusedByModel("the model cannot take an input of this shape")
    return ModelFailed(f"the model could not score this input ({type(error).__name__})")
