"""A model that has proved itself on this machine: artefact, task and ONNX session together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from modelserver import v1
from modelserver.artefact import Artefact, Golden
from modelserver.batching import Batcher
from modelserver.buckets import Buckets
from modelserver.calls import Arrays, Part
from modelserver.errors import ArtefactError, ModelFailed, RequestError, ServingError
from modelserver.golden import GoldenMismatch, largest_deviation
from modelserver.manifest import MANIFEST_NAME
from modelserver.memory_budget import MemoryBudget
from modelserver.runner import Runner
from modelserver.runtime import CPU, Device, OnnxModel
from modelserver.signature import Signature
from modelserver.statistics import Statistics
from modelserver.tasks import Row, Task, create_task
from modelserver.work import RowWork, TensorWork, Work


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """How much of a model runs and waits at a time.

    Args:
        max_batch_rows: most rows of a batch; 0: as the manifest says.
        max_queue_rows: most rows that may wait.
        instances: how many batches run at a time.
        max_delay_seconds: how long a batch that is not full waits for more.
    """

    max_batch_rows: int = 0
    max_queue_rows: int = 1024
    instances: int = 1
    max_delay_seconds: float = 0.0


DEFAULT_LIMITS = ModelLimits()


class ServedModel:
    """Scores instances; `load` refuses a model that does not answer as recorded."""

    def __init__(
        self, artefact: Artefact, task: Task, onnx_model: OnnxModel, limits: ModelLimits
    ) -> None:
        manifest = artefact.manifest
        self.name = manifest.name
        self.version = manifest.version
        self.artefact = artefact
        self.task = task
        self.golden_error = 0.0
        self.provider = onnx_model.provider
        self.signature = Signature.of(manifest, onnx_model.optional_inputs)
        self._onnx_model = onnx_model
        most = limits.max_batch_rows or manifest.batching["max_batch_rows"]
        self._most_rows = most if self.signature.has_rows else 0
        with_buckets = onnx_model.on_gpu and self.signature.has_rows
        self._buckets = Buckets(most) if with_buckets else None
        self._runner = Runner(onnx_model, self.signature, self._buckets)
        self.batcher = Batcher(
            self._runner.run,
            max_batch_rows=max(self._most_rows, 1),
            max_queue_rows=limits.max_queue_rows,
            instances=limits.instances,
            max_delay_seconds=limits.max_delay_seconds,
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        threads: int,
        device: Device = CPU,
        memory: MemoryBudget | None = None,
        limits: ModelLimits = DEFAULT_LIMITS,
    ) -> Self:
        """Verify an artefact, load it, score its golden request and warm it up.

        Args:
            folder: the artefact.
            threads: threads that one inference may use.
            device: where it runs.
            memory: what reading large instances may take; shared by all models of a server.
            limits: how much runs and waits at a time.

        Raises:
            ArtefactError: a hash, a tensor spec or the golden response does not match.
        """
        artefact = Artefact.open(folder)
        artefact.verify()
        model = cls.assemble(artefact, threads, device, memory, limits)
        model.golden_error = model._check_golden()
        model._warm()
        model._runner.statistics = Statistics()  # of requests only
        return model

    @classmethod
    def assemble(
        cls,
        artefact: Artefact,
        threads: int,
        device: Device = CPU,
        memory: MemoryBudget | None = None,
        limits: ModelLimits = DEFAULT_LIMITS,
    ) -> Self:
        """Put a model together without proving anything: what converters need before it can be.

        Raises:
            ArtefactError: the task lacks something, or the tensor specs do not match.
        """
        onnx_model = OnnxModel(
            artefact.model_path, threads, device, artefact.manifest.session_options
        )
        model = cls(artefact, create_task(artefact, memory), onnx_model, limits)
        model._check_specs()
        return model

    def read(
        self,
        instances: Sequence[Any],
        given: Mapping[str, Any],
        form: Callable[[list[Any]], Any] = list,
    ) -> Work:
        """Read the instances of one request, which are scored all or none.

        Args:
            instances: as the caller sent them.
            given: the request's parameters.
            form: makes the answer of the predictions.

        Raises:
            RequestError: an instance or parameter does not fit; the message says which.
        """
        parameters = self.task.read_parameters(given)
        rows = [self._decode(number, instance) for number, instance in enumerate(instances)]
        work = RowWork(rows, self._most_rows)
        encode = self.task.encode
        return Work(work.parts, lambda: form([encode(row, parameters) for row in work.outputs()]))

    def read_tensors(
        self, arrays: Arrays, form: Callable[[Arrays], Any], timeout_seconds: float = 0.0
    ) -> Work:
        """Take whole tensors.

        Args:
            arrays: one that fits the signature for each input; optional ones may be missing.
                Where the model has rows, the first axis of all required ones is equally long.
            form: makes the answer of the outputs.
            timeout_seconds: how long the caller waits; 0 when it does not say.
        """
        # What an optional input says holds for all rows of its request and for no others.
        alone = bool(arrays.keys() & self.signature.optional)
        work = TensorWork(arrays, 0 if alone else self._most_rows)
        return Work(work.parts, lambda: form(work.outputs()), timeout_seconds)

    def score(self, instances: Sequence[Any], given: Mapping[str, Any]) -> list[Any]:
        """Score instances in this thread, past the queue: what loading and converting need.

        Raises:
            RequestError: an instance or parameter does not fit; the message says which.
            ModelFailed: the model raised.
        """
        work = self.read(instances, given)
        self._run_parts(work.parts)
        predictions: list[Any] = work.encode()
        return predictions

    def run(self, rows: Sequence[Row]) -> list[Row]:
        """Run decoded rows in this thread, past the queue; keeps their order."""
        work = RowWork(rows, self._most_rows)
        self._run_parts(work.parts)
        return work.outputs()

    @property
    def statistics(self) -> Statistics:
        """What it has done since it was loaded."""
        return self._runner.statistics

    @property
    def columns(self) -> Mapping[str, Sequence[int | str]]:
        """What the columns of an output stand for, where the model answers maps."""
        return self._onnx_model.keys

    def labels(self, output: str) -> Sequence[Any]:
        """The name of each class of an output; empty when they have none."""
        return self.task.labels(output) or self.columns.get(output, ())

    def close(self) -> None:
        """End the model's threads once nothing of it is queued."""
        self.batcher.close()

    def answer_golden(self) -> dict[str, Any]:
        """Score the golden request: what `example/response.json` has to say.

        Raises:
            ArtefactError: there is no golden request.
            ServingError: it cannot be scored.
        """
        instances, given = self._read(self.artefact.golden())
        return {"predictions": self.score(instances, given)}

    def _run_parts(self, parts: Sequence[Part]) -> None:
        for part in parts:
            part.outputs = self._runner.run(part.arrays, part.rows)

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
