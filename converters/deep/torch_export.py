"""Exports a PyTorch module to ONNX; the only place that calls the exporter.

The first axis of every input is the number of rows, and may have any length afterwards.
"""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from converters.errors import UnsupportedModel, reason
from converters.onnx_graph import ROWS, opset, rename

_ANSWER, _INNER = "answer/", "inner/"


class TorchOriginal:
    """A module with named inputs and outputs, to run and to export.

    Args:
        module: takes its inputs by position; answers a tensor, several, or named ones.
        examples: two rows of each input, by name and in the order of the arguments.

    Raises:
        UnsupportedModel: the module cannot run on the examples, or answers no tensors.
    """

    def __init__(self, module: nn.Module, examples: Mapping[str, np.ndarray]) -> None:
        self.input_names = list(examples)
        self._module = module.eval()
        self._examples = tuple(torch.from_numpy(array) for array in examples.values())
        try:
            with _quietly(), torch.inference_mode():
                answered = _by_name(module(*self._examples))
        except Exception as error:  # the module is the user's code
            raise UnsupportedModel(
                f"the module cannot run on {_shapes(examples)}: {reason(error)}"
            ) from error
        self.output_names = list(answered)

    def forward(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the module in PyTorch itself."""
        given = [torch.from_numpy(inputs[name]) for name in self.input_names]
        with torch.inference_mode():
            return {name: value.numpy() for name, value in _by_name(self._module(*given)).items()}

    def export(self, version: int, exporter: str) -> ModelProto:
        """Export the module.

        Args:
            version: the opset of the ONNX model.
            exporter: PyTorch's current one, or its former one (`script`).

        Raises:
            UnsupportedModel: the exporter cannot; the message has its reason.
        """
        export = _dynamo if exporter == "dynamo" else _script
        try:
            with _quietly():
                # In evaluation mode: what the exporter finds is what it leaves the module in.
                plain = _Plain(self._module).eval()
                model = export(plain, self._examples, self, version)
        except Exception as error:  # torch.onnx raises whatever its passes raise
            other = "script" if exporter == "dynamo" else "dynamo"
            raise UnsupportedModel(
                f"torch.onnx cannot export this module ({reason(error)}); "
                f"--exporter {other} may be able to"
            ) from error
        if opset(model) != version:
            raise UnsupportedModel(
                f"torch.onnx made opset {opset(model)} of this module, not opset {version}; say "
                f"--opset {opset(model)}"
            )
        return _with_own_names(model, self.output_names)


class _Plain(nn.Module):
    """Makes any module answer a flat tuple of tensors, which is all that ONNX knows."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(_by_name(self.module(*inputs)).values())


def _dynamo(
    module: nn.Module, examples: tuple[Tensor, ...], names: TorchOriginal, version: int
) -> ModelProto:
    rows = torch.export.Dim(ROWS)
    program = torch.onnx.export(
        module,
        examples,
        dynamo=True,
        external_data=False,  # one file; two are the default
        opset_version=version,
        dynamic_shapes={"inputs": tuple({0: rows} for _ in examples)},
        input_names=names.input_names,
        output_names=[_ANSWER + name for name in names.output_names],
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    model: ModelProto = program.model_proto
    return model


def _script(
    module: nn.Module, examples: tuple[Tensor, ...], names: TorchOriginal, version: int
) -> ModelProto:
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        path = Path(folder, "model.onnx")
        torch.onnx.export(
            module,
            examples,
            path,
            dynamo=False,
            opset_version=version,
            dynamic_axes={name: {0: ROWS} for name in names.input_names},
            input_names=names.input_names,
            output_names=[_ANSWER + name for name in names.output_names],
        )
        return onnx.load(path)


def _with_own_names(model: ModelProto, outputs: Sequence[str]) -> ModelProto:
    """Name the outputs as the module does.

    The exporter itself would do so even where a tensor in the middle has that name already.
    """
    taken = {name for node in model.graph.node for name in node.output}
    rename(model.graph, {name: _INNER + name for name in outputs if name in taken})
    rename(model.graph, {_ANSWER + name: name for name in outputs})
    return model


def _by_name(answer: Any) -> dict[str, Tensor]:
    """Name the tensors that a module answers: a tensor, a sequence or a mapping of them."""
    if isinstance(answer, Tensor):
        return {"output": answer}
    if isinstance(answer, Mapping):  # Hugging Face's outputs are mappings too
        return {str(name): value for name, value in answer.items() if isinstance(value, Tensor)}
    if isinstance(answer, Sequence) and all(isinstance(value, Tensor) for value in answer):
        return {f"output_{number}": value for number, value in enumerate(answer)}
    raise UnsupportedModel(f"expected the module to answer tensors, got a {type(answer).__name__}")


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's advice to its own developers away from the user's terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _shapes(examples: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {list(array.shape)}" for name, array in examples.items())
