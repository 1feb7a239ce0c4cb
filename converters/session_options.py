"""Chooses how ONNX Runtime runs a model, by measuring on this machine."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx

from converters.parity import Examples, compare
from modelserver.artefact import Draft
from modelserver.cpu import available_cpus
from modelserver.manifest import Manifest
from modelserver.model import ServedModel

WITHOUT_QDQ = {"session.disable_quant_qdq": "1"}

_ROUNDS, _MOST_SECONDS = 15, 10.0
_WORTH_IT = 1.1  # times as fast; less is noise


def choose_session_options(draft: Draft, manifest: Manifest, examples: Examples) -> Manifest:
    """Return the manifest with the options under which the model runs fastest, parity kept.

    Only quantised models have a choice: their Q and DQ nodes may be fused or not, and which is
    faster depends on the processor.

    Args:
        draft: holds everything but a sealed manifest.
        manifest: of the draft.
        examples: what the original model answered.
    """
    if not _is_quantised(draft.folder / "model.onnx"):
        return manifest
    candidate = replace(manifest, runtime={"session_options": WITHOUT_QDQ})
    models = [
        ServedModel.assemble(draft.seal(each), available_cpus()) for each in (manifest, candidate)
    ]
    if not compare(models[1], examples).holds:
        return manifest
    row = models[0].task.decode(examples.instances[0])
    fused, apart = _measure(models, row)
    return candidate if fused >= apart * _WORTH_IT else manifest


def _measure(models: list[ServedModel], row: Mapping[str, object]) -> tuple[float, float]:
    """Median seconds of one row for each of two models, run in turn."""
    for model in models:
        model.run([row])
    seconds: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + _MOST_SECONDS
    while len(seconds[0]) < _ROUNDS and (not seconds[0] or time.perf_counter() < end):
        for model, times in zip(models, seconds, strict=True):
            started = time.perf_counter()
            model.run([row])
            times.append(time.perf_counter() - started)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _is_quantised(path: Path) -> bool:
    graph = onnx.load(str(path), load_external_data=False).graph
    return any(node.op_type == "DequantizeLinear" for node in graph.node)
