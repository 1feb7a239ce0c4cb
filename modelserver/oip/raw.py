"""Raw requests: the body is the data of the single input, without any JSON.

Inference-Header-Content-Length: 0
"""

import math
from collections.abc import Sequence

import numpy as np

from modelserver.datatypes import BYTES, DTYPES
from modelserver.errors import InvalidInput
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.model import ServedModel
from modelserver.oip import wire
from modelserver.oip.inputs import prepare


def read_raw(model: ServedModel, body: memoryview) -> dict[str, np.ndarray]:
    """Turn a body into the model's only input; where the model counts rows, it is one row.

    A text is the body as it is, without a length before it. Where the input takes encoded files,
    the body is one.

    Raises:
        RequestError: the model has several inputs, or the body does not fit.
    """
    signature = model.signature
    required = [spec for name, spec in signature.inputs.items() if name not in signature.optional]
    if len(required) != 1:
        raise InvalidInput(
            "a body without JSON (Inference-Header-Content-Length: 0) is for models with one "
            f"input; this one takes {', '.join(spec.name for spec in required)}"
        )
    (spec,) = required
    if spec.datatype == BYTES or spec.name == model.task.encoded_input:
        array = _one_element(model, spec, body)
    else:
        where = f"input {spec.name}"
        shape = _shape(where, spec, signature.has_rows, len(body))
        array = wire.from_binary(where, spec.datatype, shape, body)
    return {spec.name: prepare(model, spec.name, array)}


def _one_element(model: ServedModel, spec: TensorSpec, body: memoryview) -> np.ndarray:
    array = np.empty(1, np.object_)
    array[0] = bytes(body)
    if spec.name == model.task.encoded_input:
        return array
    if any(size not in (1, ANY_SIZE) for size in spec.shape):
        raise InvalidInput(
            f"input {spec.name}: a body without JSON is one text, but the shape is "
            f"{list(spec.shape)}"
        )
    return array.reshape([1] * len(spec.shape))


def _shape(where: str, spec: TensorSpec, has_rows: bool, length: int) -> Sequence[int]:
    """Fill in the one size that the signature leaves open."""
    shape = [1, *spec.shape[1:]] if has_rows else list(spec.shape)
    if shape.count(ANY_SIZE) > 1:
        raise InvalidInput(
            f"{where}: its shape {list(spec.shape)} leaves more than one size open, so a body "
            "without JSON does not say it"
        )
    if ANY_SIZE in shape:
        known = math.prod(size for size in shape if size != ANY_SIZE)
        known *= DTYPES[spec.datatype].itemsize
        shape[shape.index(ANY_SIZE)] = length // known if known else 0
    return shape
