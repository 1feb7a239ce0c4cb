"""Makes a float model smaller or faster, and refuses to when its answers change too much.

fp16    weights and arithmetic in half precision; input, output and softmax as they were
int8    weights for each channel and activations as whole numbers of 8 bits, in the QDQ form,
        with ranges measured on calibration images
"""

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from converters.errors import ParityFailed, UnsupportedModel, reason
from converters.image.graft import GRAFTED
from converters.onnx_graph import serialise
from modelserver.manifest import Tolerances
from modelserver.tasks.image import INPUT

PRECISIONS = ("fp32", "fp16", "int8")

LEAST_AGREEMENT = {"fp32": 1.0, "fp16": 0.995, "int8": 0.98}
"""The share of images that must keep their top class."""

LARGEST_DIFFERENCE = {"fp32": 1e-5, "fp16": 0.05, "int8": 0.5}
"""How far a probability may be off. For int8 it only catches broken graphs."""

GOLDEN_TOLERANCES = {
    "fp32": Tolerances(1e-4, 1e-3),
    "fp16": Tolerances(5e-3, 5e-2),
    "int8": Tolerances(2e-2, 1e-1),
}
"""How far another machine may be off; processors and GPUs round differently."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models' probabilities compare on N images.

    Args:
        images: N.
        top1: share of images with the same top class.
        top5: share of the best five classes that are the same, in any order.
        largest: largest absolute difference.
    """

    images: int
    top1: float
    top5: float
    largest: float

    @classmethod
    def between(cls, want: np.ndarray, got: np.ndarray) -> "Agreement":
        """Compare probabilities [N, C] of the original and of the reduced model."""
        count = min(5, want.shape[1])
        best = [np.argsort(-array, axis=1, kind="stable")[:, :count] for array in (want, got)]
        shared = [len(set(a) & set(b)) / count for a, b in zip(*best, strict=True)]
        return cls(
            images=len(want),
            top1=float(np.mean(best[0][:, 0] == best[1][:, 0])),
            top5=float(np.mean(shared)),
            largest=float(np.max(np.abs(want - got))),
        )

    def require(self, least: float, what: str) -> None:
        """Refuse a model that changes too many answers; NaN never passes.

        Raises:
            ParityFailed: top-1 agreement is below `least`, or a probability is not a number.
        """
        if self.top1 >= least and not np.isnan(self.largest):
            return
        raise ParityFailed(
            f"{what} keeps the top class of {self.top1:.1%} of {self.images} images; at least "
            f"{least:.1%} is asked for (largest difference of a probability: {self.largest:.3g})"
        )


def to_fp16(model: ModelProto) -> ModelProto:
    """Convert a grafted model, its weights as floats, to half precision.

    Raises:
        UnsupportedModel: it has operators or numbers that cannot be converted.
    """
    from onnxruntime.transformers.float16 import (
        convert_float_to_float16,
    )

    copy = ModelProto()
    copy.CopyFrom(model)  # the conversion is done in place
    grafted = [node.name for node in copy.graph.node if node.name.startswith(GRAFTED)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tiny weights become 0, which the comparison judges
            converted: ModelProto = convert_float_to_float16(
                copy, keep_io_types=True, node_block_list=grafted
            )
    except (ValueError, TypeError, RuntimeError) as error:
        raise UnsupportedModel(f"the model cannot be converted to fp16: {reason(error)}") from error
    return converted


def to_int8(model: ModelProto, images: np.ndarray, vnni: bool) -> ModelProto:
    """Quantise a grafted model.

    Args:
        model: with the input `image`, its weights as floats.
        images: UINT8 [N, H, W, 3] to measure the ranges of activations on.
        vnni: make activations unsigned, which is faster. Processors without VNNI may saturate
            then, so that the same file answers differently on them.

    Raises:
        UnsupportedModel: it cannot be quantised.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands out one image at a time."""

        def __init__(self) -> None:
            self._images: Iterator[np.ndarray] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self._images, None)
            return None if image is None else {INPUT: image[None]}

    with tempfile.TemporaryDirectory(prefix="int8-") as folder:
        source, ready, target = (Path(folder, f"{n}.onnx") for n in ("source", "ready", "target"))
        source.write_bytes(serialise(model))
        try:
            quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
            names = [node.name for node in onnx.load(ready).graph.node]
            quantize_static(
                str(ready),
                str(target),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8 if vnni else QuantType.QInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[name for name in names if name.startswith(GRAFTED)],
            )
        except (ValueError, TypeError, RuntimeError) as error:
            raise UnsupportedModel(f"the model cannot be quantised: {reason(error)}") from error
        return onnx.load(target)
