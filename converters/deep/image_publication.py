"""From an exported image network to a published artefact.

Letters: N images, H x W pixels, C classes.
"""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converters.deep.image_original import Samples, ask_original
from converters.deep.model import Checks, DeepModel
from converters.deep.precision import GOLDEN_TOLERANCES
from converters.deep.reduction import Reduced, reduce_precision
from converters.errors import UnsupportedModel, UsageError
from converters.image.graft import NetworkInput, Scores, find_input, graft
from converters.image.labels import check_count, numbered
from converters.image.sample_images import synthetic_images
from converters.image.settings import ImageSettings
from converters.measure import Stages
from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from modelserver.tasks.image import LABELS_NAME, OUTPUT

_MOST_GOLDEN_BYTES = 70_000  # as base64 it still fits into parity.json


def publish_images(
    model: DeepModel,
    settings: ImageSettings,
    checks: Checks,
    place: Place,
    stages: Stages,
    report: Report,
) -> Path:
    """Publish an image classifier.

    Args:
        model: the network and its original.
        settings: how it sees images.
        checks: what must hold.
        place: where the artefact goes.
        stages: gets the time of each step.
        report: gets sections on the model, its precision and its speed.

    Returns:
        The artefact's folder.

    Raises:
        UnsupportedModel: the network cannot be served with the one signature of images.
        ParityFailed: the served network does not answer like the original.
    """
    network = find_input(model.graph, settings.layout)
    _check_size(network, settings)
    output = choose_output([value.name for value in model.graph.graph.output], settings.output)
    images = checks.samples
    if not any(map(_golden_name, images.files)):
        images = images.and_also(synthetic_images())
    samples = ask_original(model, images, settings, network, output)
    classes = samples.wanted.shape[1]
    labels = settings.labels or numbered(classes)
    check_count(labels, classes, f"--labels {settings.labels_source}")
    report.section("Original", {**model.facts, **_facts(settings, network, samples)})
    size = (settings.height, settings.width)
    scores = Scores(output, classes, samples.logits)
    grafted = graft(model.graph, network, settings.pixels, size, scores)
    calibration = None
    if checks.calibration is not None:
        calibration = checks.calibration.pixels(settings.resizing())
    reduced = reduce_precision(grafted, samples, calibration, checks, stages, report)
    golden = _golden(samples, reduced, checks.precision, settings.top_k)
    report.section("Golden request", {"image": samples.images.names[golden]})
    report.section("Conversion", stages.facts())
    publication = Publication(
        task="image-classification",
        onnx_model=reduced.content,
        golden_request=samples.images.files[golden],
        golden_name=_golden_name(samples.images.files[golden]) or "",
        examples=_examples(samples, golden, checks.tolerance),
        files={LABELS_NAME: {"labels": labels}},
        tolerances=GOLDEN_TOLERANCES[checks.precision],
        preprocessing={"image": dict(settings.resize)},
        parameters={"top_k": min(settings.top_k, classes)},
        evaluation={**model.notes, **reduced.notes},
    )
    return publish(publication, place, report)


def choose_output(names: Sequence[str], wanted: str | None) -> str:
    """Pick the output that scores the classes.

    Raises:
        UsageError: there are several and none was named, or there is none of that name.
    """
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None or wanted not in names:
        raise UsageError(
            f"--scores-output: the network has the outputs {', '.join(names)}; "
            + ("say which one scores the classes" if wanted is None else f"none is {wanted!r}")
        )
    return wanted


def _check_size(network: NetworkInput, settings: ImageSettings) -> None:
    for name, has, said in (
        ("height", network.height, settings.height),
        ("width", network.width, settings.width),
    ):
        if has not in (None, said):
            raise UnsupportedModel(
                f"input {network.name}: the network takes images of {name} {has}, "
                f"but --image-size says {said}"
            )


def _facts(settings: ImageSettings, network: NetworkInput, samples: Samples) -> dict[str, str]:
    pixels = settings.pixels
    return {
        "input": f"{network.name}, {network.layout.upper()}, {pixels.channels.upper()}, "
        f"(pixel * {pixels.scale:.6g} - {list(pixels.mean)}) / {list(pixels.std)}",
        "resizing": ", ".join(f"{name} {value}" for name, value in settings.resize.items()),
        "scores": "logits" if samples.logits else "probabilities",
        "classes": f"{samples.wanted.shape[1]}, named by {settings.labels_source or 'number'}",
        "compared on": samples.images.source,
    }


def _golden(samples: Samples, reduced: Reduced, precision: str, top_k: int) -> int:
    """Choose the image whose best classes are furthest apart, so that no rounding reorders them."""
    allowed = GOLDEN_TOLERANCES[precision]
    best = np.sort(reduced.answers, axis=1)[:, ::-1][:, : top_k + 1]  # [N, top_k + 1]
    gaps = best[:, :-1] - best[:, 1:]
    margins = (gaps / (allowed.absolute + allowed.relative * best[:, :-1])).min(axis=1)
    fit = [_golden_name(content) is not None for content in samples.images.files]
    return int(np.argmax(np.where(fit, margins, -1.0)))


def _golden_name(content: bytes) -> str | None:
    """Where an image goes as the golden request; None when it is too large or not of a kind."""
    kinds = ((b"\x89PNG", "png"), (b"\xff\xd8", "jpg"), (b"RIFF", "webp"))
    if len(content) > _MOST_GOLDEN_BYTES:
        return None
    return next((f"example/request.{e}" for magic, e in kinds if content.startswith(magic)), None)


def _examples(samples: Samples, golden: int, tolerance: float) -> Examples:
    """The samples as requests, the golden one first, because the first ones are stored."""
    order = [golden, *(n for n in range(len(samples.pixels)) if n != golden)]
    return Examples(
        [{"b64": base64.b64encode(samples.images.files[n]).decode()} for n in order],
        {OUTPUT: samples.wanted[order].astype(np.float32)},
        tolerance,
        names=[samples.images.names[n] for n in order],
    )
