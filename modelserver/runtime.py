"""A loaded ONNX model; the only module that knows ONNX Runtime."""

from collections.abc import Mapping, Sequence
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


class OnnxModel:
    """One ONNX Runtime session on one file; `run` may be called from several threads at once.

    Args:
        path: the ONNX file.
        threads: threads that one inference may use, at least 1.

    Raises:
        ArtefactError: the file is no model that ONNX Runtime can load, or an input or output
            is not a tensor.
    """

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Spinning burns a core after every call; measured slower on shared CPUs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime raises a dozen unrelated types, plain Exception subclasses among them.
        except Exception as error:
            raise ArtefactError(f"{path}: ONNX Runtime cannot load it: {error}") from error
        self.inputs = _specs(path, self._session.get_inputs())
        self.outputs = _specs(path, self._session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]

    @property
    def provider(self) -> str:
        """The execution provider that runs the model, as ONNX Runtime itself reports it."""
        return str(self._session.get_providers()[0])

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Score one batch.

        Args:
            feeds: each input's name and array, batch axis first.

        Returns:
            Each output's name and array.

        Raises:
            ModelFailed: the model raised on this input.
        """
        try:
            outputs = self._session.run(self._output_names, feeds)
        except Exception as error:
            raise ModelFailed(f"the model could not score this input: {error}") from error
        return dict(zip(self._output_names, outputs, strict=True))


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
