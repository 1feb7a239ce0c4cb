"""The outputs that a request asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelserver.datatypes import BYTES
from modelserver.errors import InvalidInput
from modelserver.jsontext import quote, show
from modelserver.manifest import TensorSpec
from modelserver.oip.parameters import read_flag, read_number, read_parameters

_FIELDS = {"name", "parameters"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One output of the answer.

    Args:
        spec: of the model's output.
        binary: as raw bytes instead of JSON.
        classes: this many of the best classes instead of the tensor; 0: the tensor.
    """

    spec: TensorSpec
    binary: bool
    classes: int = 0


def all_outputs(known: Mapping[str, TensorSpec], binary: bool) -> Sequence[Choice]:
    """Every output of the model, as it is."""
    return [Choice(spec, binary) for spec in known.values()]


def read_outputs(known: Mapping[str, TensorSpec], entries: Any, binary: bool) -> Sequence[Choice]:
    """Read what a request asks for.

    Args:
        known: the model's outputs.
        entries: the field `outputs`; None or an empty list mean all of them.
        binary: what the request says for outputs that do not say it themselves.

    Raises:
        InvalidInput: an output is unknown, comes twice or has a wrong parameter.
    """
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        raise InvalidInput(f"outputs: expected a list, got {show(entries)}")
    if not entries:
        return all_outputs(known, binary)
    chosen: dict[str, Choice] = {}
    for number, entry in enumerate(entries):
        choice = _read_one(f"outputs[{number}]", known, entry, binary)
        if choice.spec.name in chosen:
            raise InvalidInput(f"outputs[{number}]: the output {choice.spec.name} comes twice")
        chosen[choice.spec.name] = choice
    return list(chosen.values())


def _read_one(where: str, known: Mapping[str, TensorSpec], entry: Any, binary: bool) -> Choice:
    if not isinstance(entry, dict):
        raise InvalidInput(f"{where}: expected an object, got {show(entry)}")
    unknown = entry.keys() - _FIELDS
    if unknown:
        raise InvalidInput(f"{where}: unknown {quote(min(unknown))}; expected name and parameters")
    name = entry.get("name")
    if not isinstance(name, str):
        raise InvalidInput(f"{where}.name: expected a text, got {show(name)}")
    spec = known.get(name)
    if spec is None:
        raise InvalidInput(
            f"{where}: unknown output {quote(name)}; the model has {', '.join(known)}"
        )
    where = f"output {name}: "
    parameters = read_parameters(where, entry)
    classes = read_number(where, parameters, "classification", 1) or 0
    if classes and spec.datatype == BYTES:
        raise InvalidInput(f"{where}parameters.classification: texts cannot be ranked")
    return Choice(spec, read_flag(where, parameters, "binary_data", binary), classes)
