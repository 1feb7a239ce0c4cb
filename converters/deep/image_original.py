"""Asks the original network what it answers on sample images, each step done by hand.

Letters: N images, H x W pixels, C classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper

from converters.deep.model import DeepModel
from converters.errors import UnsupportedModel, reason
from converters.image.graft import NetworkInput
from converters.image.pixel_form import PixelForm
from converters.image.sample_images import Images
from converters.image.settings import ImageSettings, ScoreKind
from converters.progress import Progress

_BATCH = 8
_CERTAIN = 1e-3  # half precision networks do not sum up to 1 any closer


@dataclass(frozen=True, slots=True)
class Samples:
    """Images, what the server makes of them, and what the original answers.

    Args:
        images: N files.
        pixels: UINT8 [N, H, W, 3].
        wanted: FP64 [N, C], the original's probabilities.
        logits: whether the network itself answers logits.
    """

    images: Images
    pixels: np.ndarray
    wanted: np.ndarray
    logits: bool


def ask_original(
    model: DeepModel, images: Images, settings: ImageSettings, network: NetworkInput, output: str
) -> Samples:
    """Run the original on images.

    Args:
        model: the original.
        images: N files.
        settings: how it sees images.
        network: its input.
        output: which of its outputs scores the classes.

    Raises:
        UnsupportedModel: it cannot run on them, or its scores are not one number for each class,
            or not finite.
    """
    pixels = images.pixels(settings.resizing())
    # The original may have been exported for one image at a time; its copy must take several.
    batch = _BATCH if network.images is None else 1
    parts = []
    with Progress("running the original model", len(pixels)) as progress:
        for start in range(0, len(pixels), batch):
            numbers = network_numbers(pixels[start : start + batch], settings.pixels, network)
            parts.append(_scores(_forward(model, network.name, numbers), output, len(numbers)))
            progress.advance(len(numbers))
    scores = np.concatenate(parts)
    if not np.isfinite(scores).all():
        raise UnsupportedModel("the original model answers NaN or infinite numbers on the samples")
    logits = _holds_logits(scores, settings.scores)
    return Samples(images, pixels, softmax(scores) if logits else scores, logits)


def network_numbers(pixels: np.ndarray, form: PixelForm, network: NetworkInput) -> np.ndarray:
    """What the network itself takes: UINT8 [N, H, W, 3] -> [N, 3, H, W] or [N, H, W, 3].

    Raises:
        UnsupportedModel: it takes bytes, so nothing may be done to them.
    """
    if network.element_type == TensorProto.UINT8 and form.changes_numbers:
        raise UnsupportedModel(f"input {network.name} takes bytes as they are: say --pixels raw")
    dtype = helper.tensor_dtype_to_np_dtype(network.element_type)
    return form.numbers(pixels, network.layout).astype(dtype)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Logits [N, C] to probabilities [N, C]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _forward(model: DeepModel, name: str, numbers: np.ndarray) -> Mapping[str, np.ndarray]:
    try:
        return model.forward({name: numbers})
    except Exception as error:  # the framework's own types, whichever it is
        raise UnsupportedModel(
            f"the original model cannot run on images {list(numbers.shape)}: {reason(error)}"
        ) from error


def _scores(outputs: Mapping[str, np.ndarray], name: str, images: int) -> np.ndarray:
    """One output as FP64 [N, C]."""
    scores = np.asarray(outputs[name])
    if scores.ndim < 2 or len(scores) != images or scores.size != images * scores.shape[1]:
        raise UnsupportedModel(
            f"output {name}: expected [{images}, classes] for {images} images, "
            f"got {list(scores.shape)}"
        )
    return scores.reshape(images, -1).astype(np.float64)


def _holds_logits(scores: np.ndarray, kind: ScoreKind) -> bool:
    """Tell logits from probabilities by their values, and check what was said of them."""
    bounded = bool((scores >= -_CERTAIN).all() and (scores <= 1 + _CERTAIN).all())
    adds_up = bool(np.abs(scores.sum(axis=1) - 1).max() <= _CERTAIN)
    if kind == "probabilities" and not bounded:
        raise UnsupportedModel(
            f"--scores probabilities: the output ranges from {scores.min():.3g} to "
            f"{scores.max():.3g}, so it holds logits"
        )
    if kind == "logits" and bounded and adds_up:
        raise UnsupportedModel("--scores logits: the output holds probabilities, which add up to 1")
    if kind == "auto" and bounded and not adds_up:
        raise UnsupportedModel(
            "the output ranges from 0 to 1 without adding up to 1; say --scores probabilities "
            "(independent ones) or --scores logits"
        )
    return kind == "logits" or (kind == "auto" and not bounded)
