"""Compares a served model with the original it was exported from, example by example."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.progress import Progress
from modelserver.model import ServedModel

PARITY_NAME = "parity.json"
"""The file of an artefact that lets `check` repeat the comparison without the original model."""

_KEPT_NUMBERS = 50_000
_KEPT_CHARACTERS = 100_000
_WORST = 10


@dataclass(frozen=True, slots=True)
class Examples:
    """What the original model answered.

    Args:
        instances: N instances, as the task API takes them.
        outputs: for each output of the ONNX model, the original's array [N, ...].
        tolerance: the largest absolute difference that counts as equal; texts, whole numbers
            and booleans must be equal.
        names: what a report calls the instances; empty to show the instances themselves.
    """

    instances: Sequence[Any]
    outputs: Mapping[str, np.ndarray]
    tolerance: float
    names: Sequence[str] = ()

    def shortened(self) -> "Examples":
        """The first examples, few and short enough to be stored."""
        numbers_each = sum(max(1, array[0].size) for array in self.outputs.values())
        kept: list[int] = []
        characters = 0
        for number, instance in enumerate(self.instances):
            length = len(json.dumps(instance))
            if characters + length <= _KEPT_CHARACTERS:
                characters += length
                kept.append(number)
            if len(kept) * numbers_each >= _KEPT_NUMBERS:
                break
        return Examples(
            [self.instances[i] for i in kept],
            {name: array[kept] for name, array in self.outputs.items()},
            self.tolerance,
        )

    def to_json(self) -> dict[str, Any]:
        """As stored in an artefact."""
        outputs = {name: array.tolist() for name, array in self.outputs.items()}
        return {"tolerance": self.tolerance, "instances": self.instances, "outputs": outputs}

    @classmethod
    def from_json(cls, value: Any) -> "Examples":
        """As read from an artefact."""
        outputs = {name: np.array(rows) for name, rows in value["outputs"].items()}
        return cls(value["instances"], outputs, value["tolerance"])


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a served model's answers are from the original's.

    Args:
        compared: number of examples.
        largest: the largest absolute difference; infinite when a text or whole number differs.
        tolerance: what was allowed.
        worst: the examples with the largest differences, worst first.
    """

    compared: int
    largest: float
    tolerance: float
    worst: Sequence[Mapping[str, Any]]

    @property
    def holds(self) -> bool:
        """Whether the models agree; NaN does not."""
        return self.largest <= self.tolerance


def compare(model: ServedModel, examples: Examples) -> Parity:
    """Run every example through the task and the runtime that will serve it."""
    differences = []
    with Progress("comparing with the original model", len(examples.instances)) as progress:
        for number, instance in enumerate(examples.instances):
            (row,) = model.run([model.task.decode(instance)])
            differences.append(
                max(_difference(row[name], want[number]) for name, want in examples.outputs.items())
            )
            progress.advance()
    order = np.argsort(-np.array(differences), kind="stable")[:_WORST]
    return Parity(
        compared=len(differences),
        largest=float(np.max(differences, initial=0.0)),
        tolerance=examples.tolerance,
        worst=[
            {
                "example": examples.names[i] if examples.names else _short(examples.instances[i]),
                "difference": float(differences[i]),
            }
            for i in order
            if differences[i] > 0
        ],
    )


def _difference(got: Any, want: Any) -> float:
    """The largest absolute difference of one example's output."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return float("inf")
    if got.dtype.kind == "f":
        return float(np.max(np.abs(got.astype(np.float64) - want), initial=0.0))
    return 0.0 if bool(np.all(got == want)) else float("inf")


def _short(instance: Any) -> str:
    text = json.dumps(instance, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
