"""The inputs of a request, checked against the model's own signature."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelserver.datatypes import BYTES
from modelserver.errors import InvalidInput, RequestError, TooLarge
from modelserver.jsontext import quote, show
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.model import ServedModel
from modelserver.oip import wire
from modelserver.oip.parameters import read_number, read_parameters
from modelserver.signature import fits
from modelserver.tensors import MOST_AXES

_FIELDS = {"name", "shape", "datatype", "parameters", "data"}

_MOST_EMPTY_ELEMENTS = 1_000_000
"""How large the other axes of a tensor without elements may be; a model may fill them."""


def read_inputs(
    model: ServedModel, entries: Any, binary: memoryview, max_rows: int
) -> dict[str, np.ndarray]:
    """Turn the inputs of a request into what the model takes.

    Args:
        model: the model that was asked.
        entries: the field `inputs`.
        binary: the bytes after the JSON.
        max_rows: most rows of a request, for a model that counts rows.

    Raises:
        RequestError: an input is missing, unknown, given twice, or does not fit.
    """
    if not isinstance(entries, list):
        raise InvalidInput(f"inputs: expected a list, got {show(entries)}")
    arrays: dict[str, np.ndarray] = {}
    for number, entry in enumerate(entries):
        spec = _find(model, number, entry)
        if spec.name in arrays:
            raise InvalidInput(f"inputs[{number}]: the input {spec.name} comes twice")
        arrays[spec.name], used = _read_one(spec, entry, binary)
        binary = binary[used:]
    if binary:
        raise InvalidInput(
            f"body: {len(binary)} bytes are left after the inputs; binary_data_size says how many "
            "belong to each"
        )
    _check_names(model, arrays)
    _check_rows(model, arrays, max_rows)
    # In the model's order: requests that share a batch are compared input by input.
    return {
        name: prepare(model, name, arrays[name])
        for name in model.signature.inputs
        if name in arrays
    }


def prepare(model: ServedModel, name: str, array: np.ndarray) -> np.ndarray:
    """Turn a tensor that fits the signature into what the model takes.

    Raises:
        RequestError: an element is no text, no image, or what else the task refuses.
    """
    if array.dtype == np.object_ and name != model.task.encoded_input:
        array = wire.to_texts(f"input {name}", array)
    try:
        return model.task.from_tensor(name, array)
    except RequestError as error:
        raise type(error)(f"input {name}{error}") from error


def _find(model: ServedModel, number: int, entry: Any) -> TensorSpec:
    """The signature of the input that an entry names."""
    where = f"inputs[{number}]"
    if not isinstance(entry, dict):
        raise InvalidInput(f"{where}: expected an object, got {show(entry)}")
    unknown = entry.keys() - _FIELDS
    if unknown:
        raise InvalidInput(
            f"{where}: unknown {quote(min(unknown))}; expected name, shape, datatype, parameters "
            "and data"
        )
    name = entry.get("name")
    if not isinstance(name, str):
        raise InvalidInput(f"{where}.name: expected a text, got {show(name)}")
    spec = model.signature.inputs.get(name)
    if spec is None:
        known = ", ".join(model.signature.inputs)
        raise InvalidInput(f"{where}: unknown input {quote(name)}; the model has {known}")
    if name == model.task.encoded_input and entry.get("datatype") == BYTES:
        return TensorSpec(name, BYTES, (ANY_SIZE,))
    return spec


def _read_one(
    spec: TensorSpec, entry: Mapping[str, Any], binary: memoryview
) -> tuple[np.ndarray, int]:
    """Return the array, and how many of the bytes it took."""
    where = f"input {spec.name}"
    datatype = entry.get("datatype")
    if datatype != spec.datatype:
        got = quote(datatype) if isinstance(datatype, str) else show(datatype)
        raise InvalidInput(f"{where}: datatype: expected {spec.datatype}, got {got}")
    shape = _read_shape(where, spec, entry.get("shape"))
    size = read_number(f"{where}: ", read_parameters(f"{where}: ", entry), "binary_data_size", 0)
    if (size is None) == ("data" not in entry):
        raise InvalidInput(f"{where}: expected either data or parameters.binary_data_size")
    if size is None:
        return wire.from_json(where, spec.datatype, shape, entry["data"]), 0
    if size > len(binary):
        raise InvalidInput(
            f"{where}: binary_data_size: expected at most the {len(binary)} bytes that are left of "
            f"the body, got {size}"
        )
    return wire.from_binary(where, spec.datatype, shape, binary[:size]), size


def _read_shape(where: str, spec: TensorSpec, shape: Any) -> Sequence[int]:
    if not isinstance(shape, list) or any(type(size) is not int or size < 0 for size in shape):
        raise InvalidInput(f"{where}: shape: expected a list of whole numbers >= 0")
    # ONNX Runtime writes () for a scalar, and also for a tensor whose shape is not stated.
    if len(shape) > MOST_AXES or (spec.shape and not fits(shape, spec.shape)):
        raise InvalidInput(
            f"{where}: shape: expected {list(spec.shape)}, got {shape[: MOST_AXES + 1]}"
        )
    if 0 in shape and math.prod([size or 1 for size in shape]) > _MOST_EMPTY_ELEMENTS:
        raise TooLarge(f"{where}: shape: {shape} is too large for a tensor without elements")
    return shape


def _check_names(model: ServedModel, arrays: Mapping[str, np.ndarray]) -> None:
    signature = model.signature
    missing = signature.inputs.keys() - signature.optional - arrays.keys()
    if missing:
        names = ", ".join(name for name in signature.inputs if name not in signature.optional)
        raise InvalidInput(f"inputs: {min(missing)} is missing; the model takes {names}")


def _check_rows(model: ServedModel, arrays: Mapping[str, np.ndarray], max_rows: int) -> None:
    """Every required input has as many rows as the others."""
    signature = model.signature
    if not signature.has_rows:
        return
    rows = {name: len(arrays[name]) for name in signature.inputs if name not in signature.optional}
    (count, *others) = set(rows.values())
    if others:
        raise InvalidInput(f"inputs: expected equally many rows in each, got {rows}")
    if count > max_rows:
        raise TooLarge(f"inputs: expected at most {max_rows} rows, got {count}")
    if not count:
        raise InvalidInput("inputs: expected at least one row")
