"""From any exported model to an artefact of the task `tensor`: numbers or texts in and out."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.deep.model import DeepModel
from converters.errors import ConverterError, UnsupportedModel, UsageError, reason
from converters.image.labels import Labels
from converters.measure import Stages
from converters.onnx_graph import serialise
from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from converters.sample_files import MATRIX, Columns
from modelserver.datatypes import BYTES, DTYPES
from modelserver.errors import ArtefactError
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.runtime import OnnxModel
from modelserver.signature import fits
from modelserver.tasks.tensor import LABELS_NAME

Arrays = Mapping[str, np.ndarray]

_MADE_UP = 8
_FREE_SIZE = 4
_GOLDEN_INSTANCES = 2
_SEED = 8
_MOST_ROWS = 32
_ROWS_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class _Signature:
    """The inputs of a model, and whether the first axis of each tensor counts rows."""

    inputs: Sequence[TensorSpec]
    has_rows: bool

    def shape(self, spec: TensorSpec) -> tuple[int, ...]:
        """What one instance gives of an input."""
        return spec.shape[1:] if self.has_rows else spec.shape


def publish_tensors(
    model: DeepModel,
    columns: Columns | None,
    tolerance: float,
    labels: Labels | None,
    place: Place,
    stages: Stages,
    report: Report,
) -> Path:
    """Publish a model that has no task of its own.

    Args:
        model: the exported model and its original.
        columns: sample values of each input; None to make them up.
        tolerance: largest difference of a number up to 1; larger ones may differ by as much more.
        labels: names of the columns of the scores, when they are known.
        place: where the artefact goes.
        stages: the time of each step so far.
        report: gets sections on the model.

    Returns:
        The artefact's folder.

    Raises:
        UnsupportedModel: the model cannot be served, or does not run on the sample.
    """
    content = serialise(model.graph)
    signature = _read_signature(content)
    instances = _make_up(signature) if columns is None else _from_columns(signature, columns)
    answers = [_ask(model, signature, instance) for instance in instances]
    batches = signature.has_rows and _rows_are_independent(model, instances, answers)
    if signature.has_rows and not batches:
        raise UnsupportedModel(
            "the model answers otherwise when it gets several rows at once, although its first "
            "axes are free; export it with the batch size that it was made for"
        )
    wanted = {name: np.stack([answer[name] for answer in answers]) for name in answers[0]}
    sizes = [np.abs(array).max() for array in wanted.values() if array.dtype.kind == "f"]
    source = "made up" if columns is None else "given"
    report.section(
        "Original",
        {
            **model.facts,
            "inputs": ", ".join(_show(spec) for spec in signature.inputs),
            "outputs": ", ".join(wanted),
            "an instance is": "one row" if signature.has_rows else "one call",
            "compared on": f"{len(instances)} instances, {source}",
        },
    )
    report.section("Conversion", stages.facts())
    given = [_to_json(instance) for instance in instances]
    publication = Publication(
        task="tensor",
        onnx_model=content,
        golden_request={"instances": given[:_GOLDEN_INSTANCES]},
        examples=Examples(given, wanted, tolerance * float(max([1.0, *sizes]))),
        files={} if labels is None else {LABELS_NAME: {"labels": [x["label"] for x in labels]}},
        max_batch_rows=_MOST_ROWS,
        evaluation=model.notes,
    )
    return publish(publication, place, report)


def _read_signature(content: bytes) -> _Signature:
    """What the server will find in the model."""
    with tempfile.TemporaryDirectory(prefix="tensor-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        try:
            loaded = OnnxModel(path, threads=1)
        except ArtefactError as error:
            raise UnsupportedModel(str(error).removeprefix(f"{path}: ")) from error
    specs = (*loaded.inputs, *loaded.outputs)
    return _Signature(loaded.inputs, all(spec.shape[:1] == (ANY_SIZE,) for spec in specs))


def _make_up(signature: _Signature) -> list[Arrays]:
    """Instances of random numbers, and texts, that fit the signature."""
    random = np.random.default_rng(_SEED)
    return [
        {
            spec.name: _random(random, spec.datatype, signature.shape(spec))
            for spec in signature.inputs
        }
        for _ in range(_MADE_UP)
    ]


def _random(random: np.random.Generator, datatype: str, shape: tuple[int, ...]) -> np.ndarray:
    sizes = [_FREE_SIZE if size == ANY_SIZE else size for size in shape]
    dtype = DTYPES[datatype]
    if datatype == BYTES:
        return random.choice(np.array(["one", "two words", "drei"], np.object_), sizes)
    numbers = random.standard_normal(sizes) if dtype.kind == "f" else random.integers(0, 2, sizes)
    return np.asarray(numbers).astype(dtype)


def _from_columns(signature: _Signature, columns: Columns) -> list[Arrays]:
    """Instances from a sample file.

    Raises:
        UsageError: the sample lacks an input.
        ConverterError: a value does not fit its input.
    """
    names = [spec.name for spec in signature.inputs]
    if list(columns) == [MATRIX] and len(names) == 1:
        columns = {names[0]: columns[MATRIX]}
    if missing := [name for name in names if name not in columns]:
        raise UsageError(f"--sample: no {missing[0]} in it; the inputs are {', '.join(names)}")
    arrays = {
        spec.name: [_convert(spec, signature.shape(spec), value) for value in columns[spec.name]]
        for spec in signature.inputs
    }
    return [dict(zip(arrays, values, strict=True)) for values in zip(*arrays.values(), strict=True)]


def _convert(spec: TensorSpec, shape: tuple[int, ...], value: Any) -> np.ndarray:
    try:
        array = np.array(value, DTYPES[spec.datatype])
    except (ValueError, TypeError) as error:
        raise ConverterError(f"--sample: {spec.name}: {error}") from error
    if not fits(array.shape, shape):
        raise ConverterError(
            f"--sample: {spec.name}: expected the shape {list(shape)}, got {list(array.shape)}"
        )
    return array


def _ask(model: DeepModel, signature: _Signature, instance: Arrays) -> dict[str, np.ndarray]:
    """What the original answers for one instance."""
    if not signature.has_rows:
        return _forward(model, instance)
    answer = _forward(model, {name: array[None] for name, array in instance.items()})
    return {name: array[0] for name, array in answer.items()}


def _rows_are_independent(
    model: DeepModel, instances: Sequence[Arrays], answers: Sequence[Arrays]
) -> bool:
    """Whether the original answers the same for rows together as for each alone."""
    first = [i for i in instances if _shapes(i) == _shapes(instances[0])]
    together = _forward(model, {name: np.stack([i[name] for i in first]) for name in first[0]})
    alone = [a for i, a in zip(instances, answers, strict=True) if _shapes(i) == _shapes(first[0])]
    return all(
        len(array) == len(alone)
        and all(_close(array[number], answer[name]) for number, answer in enumerate(alone))
        for name, array in together.items()
    )


def _forward(model: DeepModel, feeds: Arrays) -> dict[str, np.ndarray]:
    try:
        return {name: np.asarray(array) for name, array in model.forward(feeds).items()}
    except Exception as error:  # the framework's own types, whichever it is
        raise UnsupportedModel(
            f"the original model cannot run on {_shapes(feeds)}; give typical values with "
            f"--sample ({reason(error)})"
        ) from error


def _close(got: np.ndarray, want: np.ndarray) -> bool:
    if got.shape != want.shape or got.dtype.kind != "f":
        return np.array_equal(got, want)
    return np.allclose(got, want, rtol=_ROWS_TOLERANCE, atol=_ROWS_TOLERANCE, equal_nan=True)


def _to_json(instance: Arrays) -> Any:
    """An instance as the task API takes it."""
    values = {name: array.tolist() for name, array in instance.items()}
    return values if len(values) > 1 else next(iter(values.values()))


def _shapes(arrays: Arrays) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in arrays.items()}


def _show(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.datatype} {list(spec.shape)}"
