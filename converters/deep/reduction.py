"""Brings a grafted network to the precision asked for, and proves and measures the result."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from converters.deep.image_original import Samples
from converters.deep.model import Checks
from converters.deep.precision import LARGEST_DIFFERENCE, Agreement, to_fp16, to_int8
from converters.deep.quantised_weights import expand_quantised_weights
from converters.errors import ParityFailed, UnsupportedModel
from converters.measure import Stages, machine, rows_per_second
from converters.onnx_graph import serialise
from converters.progress import Progress
from converters.report import Report
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError, ModelFailed
from modelserver.runtime import OnnxModel
from modelserver.tasks.image import INPUT, OUTPUT

_BATCHES = (1, 8)
_ROWS_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Reduced:
    """A model in its final precision.

    Args:
        content: the bytes of its file.
        answers: its probabilities on the samples, FP32 [N, C].
        notes: for the manifest's `evaluation`.
    """

    content: bytes
    answers: np.ndarray
    notes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Tried:
    """A loaded model, the bytes of its file, and its answers on the samples [N, C]."""

    model: OnnxModel
    content: bytes
    answers: np.ndarray


def reduce_precision(
    grafted: ModelProto,
    samples: Samples,
    calibration: np.ndarray | None,
    checks: Checks,
    stages: Stages,
    report: Report,
) -> Reduced:
    """Convert, compare and measure.

    Args:
        grafted: the model in full precision; may be changed.
        samples: what to compare on.
        calibration: UINT8 [N, H, W, 3] to measure ranges on, for int8.
        checks: the precision, and what must hold.
        stages: gets the time of each step.
        report: gets sections on precision and speed.

    Raises:
        ParityFailed: full precision differs from the original, or the reduced one keeps too few
            top classes.
        UnsupportedModel: the model cannot run, or cannot run on several images at once.
    """
    if checks.precision != "fp32":
        expand_quantised_weights(grafted)
    full = _try("fp32", grafted, samples, stages)
    exported = Agreement.between(samples.wanted, full.answers)
    if not exported.largest <= LARGEST_DIFFERENCE["fp32"] and checks.precision != "fp32":
        raise ParityFailed(
            f"before any reduction, the exported model differs from the original by up to "
            f"{exported.largest:.3g}; allowed is {LARGEST_DIFFERENCE['fp32']:g}"
        )
    if checks.precision == "fp32":
        _report_speed(report, {"fp32": full}, samples, stages)
        return Reduced(full.content, full.answers, {"precision": "fp32"})
    with stages.stage(f"converting to {checks.precision}"):
        if calibration is None:
            converted = to_fp16(grafted)
        else:
            converted = to_int8(grafted, calibration, checks.vnni)
    small = _try(checks.precision, converted, samples, stages)
    agreement = Agreement.between(full.answers, small.answers)
    _report_agreement(report, checks, agreement, samples)
    _report_speed(report, {"fp32": full, checks.precision: small}, samples, stages)
    agreement.require(checks.least_agreement, checks.precision)
    return Reduced(small.content, small.answers, _notes(checks, agreement, samples))


def _try(name: str, model: ModelProto, samples: Samples, stages: Stages) -> _Tried:
    """Load a model as the server does, and run the samples one by one."""
    content = serialise(model)
    with tempfile.TemporaryDirectory(prefix="precision-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        with stages.stage(f"loading {name}"):
            loaded = _load(path)
        with stages.stage(f"trying {name}"):
            answers = _answers(loaded, samples.pixels, name)
            _check_rows(loaded, samples.pixels, answers)
    return _Tried(loaded, content, answers)


def _load(path: Path) -> OnnxModel:
    try:
        return OnnxModel(path, available_cpus())
    except ArtefactError as error:
        raise UnsupportedModel(str(error).removeprefix(f"{path}: ")) from error


def _answers(model: OnnxModel, pixels: np.ndarray, name: str) -> np.ndarray:
    with Progress(f"running {name}", len(pixels)) as progress:
        rows = []
        for image in pixels:
            rows.append(_run(model, image[None])[0])
            progress.advance()
    return np.stack(rows)


def _check_rows(model: OnnxModel, pixels: np.ndarray, answers: np.ndarray) -> None:
    """Refuse a network that works for the batch size of its export only."""
    together = _run(model, pixels[:2]) if len(pixels) > 1 else answers
    expected = answers[: len(together)]
    if together.shape != expected.shape or np.abs(together - expected).max() > _ROWS_TOLERANCE:
        raise UnsupportedModel(
            "the network answers otherwise when it gets two images at once; export it with a "
            "dynamic batch axis"
        )


def _run(model: OnnxModel, images: np.ndarray) -> np.ndarray:
    try:
        return model.run({INPUT: images})[OUTPUT]
    except ModelFailed as error:
        count = len(images)
        raise UnsupportedModel(
            f"the network cannot run on {count} image{'s' if count > 1 else ''} of this size at "
            f"once; export it with a dynamic batch axis ({error})"
        ) from error


def _report_agreement(
    report: Report, checks: Checks, agreement: Agreement, samples: Samples
) -> None:
    report.section(
        f"Agreement of {checks.precision} with fp32",
        {
            "images": samples.images.source,
            "same top class": f"{agreement.top1:.1%}, at least {checks.least_agreement:.1%}",
            "same top five": f"{agreement.top5:.1%}",
            "largest difference": agreement.largest,
        },
    )


def _report_speed(
    report: Report, tried: Mapping[str, _Tried], samples: Samples, stages: Stages
) -> None:
    """Measure, never assume: whether whole numbers are faster depends on the processor."""
    models = {name: one.model for name, one in tried.items()}
    with stages.stage("measuring the speed"):
        speeds = {n: rows_per_second(models, INPUT, samples.pixels, n) for n in _BATCHES}
    rows = [
        {
            "precision": name,
            "size": f"{len(one.content) / 1e6:.1f} MB",
            **{f"images/s, batch {n}": f"{by_name[name]:.2f}" for n, by_name in speeds.items()},
        }
        for name, one in tried.items()
    ]
    report.table(f"Speed of the bare model on {machine()}", rows)
    full, *others = tried
    if others:
        facts = {
            f"batch {n}": f"{by_name[others[0]] / by_name[full]:.2f} times"
            for n, by_name in speeds.items()
        }
        report.section("Speed against fp32", facts)


def _notes(checks: Checks, agreement: Agreement, samples: Samples) -> dict[str, Any]:
    return {
        "precision": checks.precision,
        "agreement": {
            "images": agreement.images,
            "source": samples.images.source,
            "top1": agreement.top1,
            "top5": agreement.top5,
            "largest": agreement.largest,
        },
    }
