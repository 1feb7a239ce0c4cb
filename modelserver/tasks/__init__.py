"""Tasks: what a scenario adds to a bare model, which is reading instances and naming answers.

A task never sees HTTP, batches or ONNX Runtime. It turns one instance of a request into one row
(an array for each model input, without the batch axis) and one row of the outputs into the JSON
that the caller reads. Everything it needs to know lies in the artefact.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from modelserver.artefact import Artefact
from modelserver.errors import ArtefactError
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks.faq import FaqTask
from modelserver.tasks.image import ImageTask
from modelserver.tasks.tensor import TensorTask

Row = Mapping[str, Any]
"""Name of each input or output to its value for one instance: an array, or a str for text."""


class Task(Protocol):
    """What every task offers; see tasks/faq.py for a short one."""

    encoded_input: str
    """The input that takes whole files as well, one for each row; empty when there is none."""

    def read_parameters(self, given: Mapping[str, Any]) -> Any:
        """Check the request's `parameters`; raises InvalidInput naming the wrong one."""

    def read_body(self, body: bytes, content_type: str) -> list[Any]:
        """Turn a body that is not JSON into instances; raises UnsupportedMediaType."""

    def decode(self, instance: Any) -> Row:
        """Turn one instance into one row; raises a RequestError that says what is wrong."""

    def from_tensor(self, name: str, array: np.ndarray) -> np.ndarray:
        """Turn a whole input tensor, as a client sent it, into what the model takes.

        Args:
            name: of the input.
            array: fits the signature; for `encoded_input` it may be files instead: [N] of bytes,
                or of str when they came as base64.
        """

    def encode(self, row: Mapping[str, np.ndarray], parameters: Any) -> Any:
        """Turn one row of the outputs into JSON-ready values."""

    def labels(self, output: str) -> Sequence[Any]:
        """The name of each class of an output; empty when they have none."""

    def describe(self) -> Mapping[str, Any]:
        """What a caller may want to know beyond the tensors, for the model's metadata."""


TASKS: dict[str, Callable[[Artefact, MemoryBudget | None], Task]] = {
    "faq": lambda artefact, _: FaqTask(artefact),
    "tensor": lambda artefact, _: TensorTask(artefact),
    "image-classification": ImageTask,
}


def create_task(artefact: Artefact, memory: MemoryBudget | None = None) -> Task:
    """Make the task that an artefact names.

    Args:
        artefact: the model's folder.
        memory: what reading large instances may take; shared by all models of a server.

    Raises:
        ArtefactError: the task is unknown, or the artefact lacks what the task needs.
    """
    manifest = artefact.manifest
    if manifest.task not in TASKS:
        raise ArtefactError(
            f"{artefact.folder}/manifest.json: task: expected one of {', '.join(TASKS)}, "
            f"got {manifest.task!r}"
        )
    return TASKS[manifest.task](artefact, memory)
