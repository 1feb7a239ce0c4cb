"""A model that has proved itself on this machine: artefact, task and ONNX session together."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from modelserver import v1
from modelserver.artefact import Artefact, Golden
from modelserver.buckets import Buckets
from modelserver.errors import ArtefactError, ModelFailed, RequestError, ServingError
from modelserver.golden import GoldenMismatch, largest_deviation
from modelserver.manifest import MANIFEST_NAME
from modelserver.memory_budget import MemoryBudget
from modelserver.runtime import CPU, Device, OnnxModel
from modelserver.signature import Signature
from modelserver.statistics import Stages, Statistics
from modelserver.tasks import Row, Task, create_task


@dataclass(frozen=True, slots=True)
class Scored:
    """The predictions of one request and what they took."""

    predictions: list[Any]
    stages: Stages


class ServedModel:
    """Scores instances; `load` refuses a model that does not answer as recorded."""

    def __init__(self, artefact: Artefact, task: Task, onnx_model: OnnxModel) -> None:
        manifest = artefact.manifest
        self.name = manifest.name
        self.version = manifest.version
        self.artefact = artefact
        self.task = task
        self.golden_error = 0.0
        self.provider = onnx_model.provider
        self.signature = Signature.of(manifest, onnx_model.optional_inputs)
        self.statistics = Statistics()
        self._onnx_model = onnx_model
        self._max_batch_rows = manifest.batching["max_batch_rows"]
        with_buckets = onnx_model.on_gpu and self.signature.has_rows
        self._buckets = Buckets(self._max_batch_rows) if with_buckets else None

    @classmethod
    def load(
        cls,
        folder: Path,
        threads: int,
        device: Device = CPU,
        memory: MemoryBudget | None = None,
    ) -> Self:
        """Verify an artefact, load it, score its golden request and warm it up.

        Args:
            folder: the artefact.
            threads: threads that one inference may use.
            device: where it runs.
            memory: what reading large instances may take; shared by all models of a server.

        Raises:
            ArtefactError: a hash, a tensor spec or the golden response does not match.
        """
        artefact = Artefact.open(folder)
        artefact.verify()
        model = cls.assemble(artefact, threads, device, memory)
        model.golden_error = model._check_golden()
        model._warm()
        model.statistics = Statistics()  # of requests only
        return model

    @classmethod
    def assemble(
        cls,
        artefact: Artefact,
        threads: int,
        device: Device = CPU,
        memory: MemoryBudget | None = None,
    ) -> Self:
        """Put a model together without proving anything: what converters need before it can be.

        Raises:
            ArtefactError: the task lacks something, or the tensor specs do not match.
        """
        onnx_model = OnnxModel(artefact.model_path, threads, device)
        model = cls(artefact, create_task(artefact, memory), onnx_model)
        model._check_specs()
        return model

    def score(self, instances: Sequence[Any], given: Mapping[str, Any]) -> Scored:
        """Score the instances of one request, all or none.

        Args:
            instances: as the caller sent them.
            given: the request's parameters.

        Raises:
            RequestError: an instance or parameter does not fit; the message says which.
            ModelFailed: the model raised.
        """
        started = time.perf_counter()
        parameters = self.task.read_parameters(given)
        rows = [self._decode(number, instance) for number, instance in enumerate(instances)]
        decoded = time.perf_counter()
        outputs = self.run(rows)
        inferred = time.perf_counter()
        predictions = [self.task.encode(row, parameters) for row in outputs]
        encoded = time.perf_counter()
        stages = Stages(len(rows), decoded - started, inferred - decoded, encoded - inferred)
        return Scored(predictions, stages)

    def infer(self, feeds: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Score whole tensors.

        Args:
            feeds: an array that fits the signature for each input; optional ones may be missing.
                Where the model has rows, the first axis of all required ones is equally long.

        Returns:
            Each output's name and array.

        Raises:
            ModelFailed: the model raised.
        """
        # What an optional input says holds for all rows of its request and for no others.
        if not self.signature.has_rows or feeds.keys() & self.signature.optional:
            return self._run(feeds, rows=1)
        count = len(next(iter(feeds.values())))
        most = self._max_batch_rows
        if count <= most:
            return self._run_rows(feeds)
        return _join(
            [
                self._run_rows({name: array[i : i + most] for name, array in feeds.items()})
                for i in range(0, count, most)
            ]
        )

    @property
    def columns(self) -> Mapping[str, Sequence[int | str]]:
        """What the columns of an output stand for, where the model answers maps."""
        return self._onnx_model.keys

    def labels(self, output: str) -> Sequence[Any]:
        """The name of each class of an output; empty when they have none."""
        return self.task.labels(output) or self.columns.get(output, ())

    def run(self, rows: Sequence[Row]) -> list[Row]:
        """Run decoded rows through the model in batches of equal shape; keeps their order.

        Where the model has no rows, each of them is a whole call.
        """
        if not self.signature.has_rows:
            return [self._run(_as_arrays(row), rows=1) for row in rows]
        outputs: list[Row] = [{}] * len(rows)
        for batch in _batches(rows, self._max_batch_rows):
            arrays = self._run_rows(_stack([rows[i] for i in batch]))
            for position, i in enumerate(batch):
                outputs[i] = {name: array[position] for name, array in arrays.items()}
        return outputs

    def answer_golden(self) -> dict[str, Any]:
        """Score the golden request: what `example/response.json` has to say.

        Raises:
            ArtefactError: there is no golden request.
            ServingError: it cannot be scored.
        """
        instances, given = self._read(self.artefact.golden())
        return {"predictions": self.score(instances, given).predictions}

    def _run_rows(self, feeds: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run one batch of at most `max_batch_rows` rows."""
        count = len(next(iter(feeds.values())))
        if self._buckets is None:
            arrays = self._run(feeds, count)
            _check_rows(count, arrays)
            return arrays
        padded = self._buckets.pad(feeds)
        arrays = self._run(padded, count)
        _check_rows(len(next(iter(padded.values()))), arrays)
        return {name: array[:count] for name, array in arrays.items()}

    def _run(self, feeds: Mapping[str, np.ndarray], rows: int) -> Mapping[str, np.ndarray]:
        started = time.perf_counter()
        outputs = self._onnx_model.run(feeds)
        self.statistics.ran(rows, time.perf_counter() - started)
        return outputs

    def _decode(self, number: int, instance: Any) -> Row:
        try:
            return self.task.decode(instance)
        except RequestError as error:
            raise type(error)(f"instances[{number}]: {error}") from error

    def _check_specs(self) -> None:
        """Compare what the manifest says of the tensors with what the session has."""
        manifest = self.artefact.manifest
        for field, said, found in (
            ("inputs", manifest.inputs, self._onnx_model.inputs),
            ("outputs", manifest.outputs, self._onnx_model.outputs),
        ):
            if said != found:
                raise ArtefactError(
                    f"{self.artefact.folder}/{MANIFEST_NAME}: {field}: the manifest says "
                    f"{list(said)}, the model has {list(found)}"
                )

    def _check_golden(self) -> float:
        """Score the golden request and return the largest deviation from its response."""
        golden = self.artefact.golden()
        where = f"{self.artefact.folder}: golden request"
        try:
            got = self.answer_golden()
            return largest_deviation(golden.response, got, self.artefact.manifest.tolerances)
        except ServingError as error:
            raise ArtefactError(f"{where}: {error}") from error
        except GoldenMismatch as error:
            raise ArtefactError(
                f"{where}: this machine does not answer as recorded: {error}"
            ) from error

    def _warm(self) -> None:
        """Run every batch size that a GPU will see; the first run of each takes seconds."""
        if self._buckets is None:
            return
        instances, _ = self._read(self.artefact.golden())
        row = self.task.decode(instances[0])
        for size in self._buckets.sizes:
            try:
                self.run([row] * size)
            except ModelFailed as error:
                raise ArtefactError(
                    f"{self.artefact.folder}: this GPU cannot run batches of {size}: {error}"
                ) from error

    def _read(self, golden: Golden) -> tuple[list[Any], Mapping[str, Any]]:
        """The instances and parameters of the golden request."""
        return v1.read_request(self.task, golden.content_type, golden.request, max_instances=2**31)


def _batches(rows: Sequence[Row], most: int) -> Iterator[list[int]]:
    """Yield the positions of rows that can run together: same shapes, at most `most` of them."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault(tuple(np.shape(value) for value in row.values()), []).append(i)
    for group in groups.values():
        for start in range(0, len(group), most):
            yield group[start : start + most]


def _check_rows(count: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse outputs without one row for each row of the inputs: they would be handed out wrong."""
    for name, array in arrays.items():
        if np.shape(array)[:1] != (count,):
            shape = list(np.shape(array))
            raise ModelFailed(f"output {name}: expected {count} rows, got the shape {shape}")


def _stack(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Join the values of each input on a new first axis: N rows of [...] -> [N, ...]."""
    return {
        name: np.array([row[name] for row in rows], dtype=np.object_)
        if isinstance(first, str)
        else np.stack([row[name] for row in rows])
        for name, first in rows[0].items()
    }


def _join(parts: Sequence[Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """Put the batches of one request together again."""
    try:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    except ValueError as error:
        raise ModelFailed(
            "the model answers batches of one request in different shapes; its artefact must say "
            "that it has no rows (batching.max_batch_rows 0)"
        ) from error


def _as_arrays(row: Row) -> dict[str, np.ndarray]:
    """Values of one call, whose scalars and bare texts are no arrays yet."""
    return {
        name: np.array(value, np.object_) if isinstance(value, str) else np.asarray(value)
        for name, value in row.items()
    }
