"""Task `tensor`: numbers or texts in and out, for any ONNX model without task code.

An instance is {"<input>": values, …}, or just the values when the model has one input. Where the
first axis of every tensor counts rows, an instance is one row: an input [-1, 4] takes a list of
four numbers. Any other model takes whole tensors, so that an instance is one call: an input
[3, 4] takes three lists of four numbers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from modelserver.artefact import Artefact
from modelserver.errors import ArtefactError, InvalidInput, UnsupportedMediaType
from modelserver.jsontext import quote, show
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.signature import fits
from modelserver.tasks.fields import check_known
from modelserver.tensors import flatten, to_array

LABELS_NAME = "labels.json"


class TensorTask:
    """Checks rows against the model's own signature.

    Args:
        artefact: labels.json is optional: {"labels": […]}, the classes in output order.

    Raises:
        ArtefactError: labels.json is not of that form.
    """

    encoded_input = ""

    def __init__(self, artefact: Artefact) -> None:
        manifest = artefact.manifest
        self._has_rows = manifest.has_rows
        # What an instance gives of each input.
        self._inputs = {
            spec.name: replace(spec, shape=spec.shape[1:]) if self._has_rows else spec
            for spec in manifest.inputs
        }
        self._outputs = [spec.name for spec in manifest.outputs]
        self._columns = {
            spec.name: spec.shape[-1] if len(spec.shape) > self._has_rows else 0
            for spec in manifest.outputs
        }
        self._labels = None
        if LABELS_NAME in manifest.files:
            self._labels = _read_labels(artefact)

    def read_parameters(self, given: Mapping[str, Any]) -> None:
        """Refuse parameters: a bare model has none."""
        check_known(given, ())

    def read_body(self, body: bytes, content_type: str) -> list[Any]:
        """Refuse bodies that are not JSON."""
        raise UnsupportedMediaType(
            f"Content-Type: expected application/json, got {quote(content_type)}"
        )

    def decode(self, instance: Any) -> Mapping[str, Any]:
        """Turn one instance into an array (or a text) for each input."""
        if isinstance(instance, dict):
            given = instance
        elif len(self._inputs) == 1:
            given = dict.fromkeys(self._inputs, instance)
        else:
            raise InvalidInput(
                f"expected an object with {', '.join(self._inputs)}, got {show(instance)}"
            )
        if given.keys() != self._inputs.keys():
            missing, unknown = self._inputs.keys() - given, given.keys() - self._inputs
            odd = f"without {min(missing)}" if missing else f"with {quote(min(unknown))}"
            raise InvalidInput(f"expected an object with {', '.join(self._inputs)}, got one {odd}")
        return {name: self._to_tensor(spec, given[name]) for name, spec in self._inputs.items()}

    def from_tensor(self, name: str, array: np.ndarray) -> np.ndarray:
        """Leave tensors as they are."""
        return array

    def encode(self, row: Mapping[str, np.ndarray], parameters: None) -> Any:
        """Answer an object with each output, or the bare value when there is only one."""
        # A row of a text output [N] is a bare str.
        values = {
            name: row[name] if isinstance(row[name], str) else row[name].tolist()
            for name in self._outputs
        }
        return values if len(values) > 1 else values[self._outputs[0]]

    def _to_tensor(self, spec: TensorSpec, value: Any) -> Any:
        """Turn JSON values into what an instance gives of one input; a bare text stays a str."""
        elements, shape = flatten(spec.name, value)
        free = not spec.shape and not self._has_rows  # a shape that the model does not state
        if not free and not fits(shape, spec.shape):
            of = "one row" if self._has_rows else "the whole tensor"
            raise InvalidInput(
                f"{spec.name}: expected the shape {list(spec.shape)} for {of}, got {list(shape)}"
            )
        return to_array(spec.name, spec.datatype, elements).reshape(shape)[()]

    def labels(self, output: str) -> list[Any]:
        """The class labels, where an output has a column for each."""
        columns = self._columns[output]
        return self._labels if self._labels and columns in (ANY_SIZE, len(self._labels)) else []

    def describe(self) -> dict[str, Any]:
        """The class labels, when there are any."""
        return {} if self._labels is None else {"labels": self._labels}


def _read_labels(artefact: Artefact) -> list[Any]:
    content = artefact.read_json(LABELS_NAME)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, list) or not labels:
        raise ArtefactError(f"{artefact.folder}/{LABELS_NAME}: expected a list `labels`")
    return labels
