"""Task tensor: rows for any model, checked against the model's own signature."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelserver.artefact import Artefact
from modelserver.errors import ArtefactError, InvalidInput, UnsupportedMediaType
from modelserver.manifest import TensorSpec
from modelserver.tasks.tensor import TensorTask
from tests.modelserver.test_jsontext import JSON_VALUES


@pytest.fixture(scope="session")
def artefact(models: Path) -> Artefact:
    return Artefact.open(models / "pair" / "1")


def task_for(artefact: Artefact, *inputs: TensorSpec) -> TensorTask:
    manifest = dataclasses.replace(artefact.manifest, inputs=inputs)
    return TensorTask(dataclasses.replace(artefact, manifest=manifest))


@pytest.fixture(scope="session")
def pair(artefact: Artefact) -> TensorTask:
    """`left` FP32 [N, -1] and `right` INT64 [N]."""
    return TensorTask(artefact)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ((-1,), 1.5),
        ((-1, 3), [1.0, 2.0, 3.0]),
        ((-1, -1), []),
        ((-1, -1), [1.0]),
        ((-1, 2, -1), [[1.0], [2.0]]),
        ((-1, -1, -1), [[], []]),
        ((-1, 0), []),
    ],
)
def test_one_input(artefact: Artefact, shape: tuple[int, ...], value: Any) -> None:
    """With one input the values may stand alone or under its name; the batch axis is left out."""
    task = task_for(artefact, TensorSpec("x", "FP32", shape))
    for instance in (value, {"x": value}):
        array = task.decode(instance)["x"]
        assert array.dtype == np.float32
        assert array.tolist() == value


@pytest.mark.parametrize(
    ("shape", "value", "got"),
    [
        ((-1,), [1.0], [1]),
        ((-1, 3), 1.0, []),
        ((-1, 3), [1.0, 2.0], [2]),
        ((-1, 3), [], [0]),
        ((-1, 3), [[1.0, 2.0, 3.0]], [1, 3]),
        ((-1, 2, -1), [[1.0]], [1, 1]),
        ((-1, 0), [1.0], [1]),
        ((-1, 3), None, []),
        ((-1, 3), {"x": {"x": 1.0}}, []),
    ],
    ids=str,
)
def test_other_shape(artefact: Artefact, shape: tuple[int, ...], value: Any, got: Any) -> None:
    """Values of another shape are refused with both shapes."""
    task = task_for(artefact, TensorSpec("x", "FP32", shape))
    instance = value if isinstance(value, dict) else {"x": value}
    with pytest.raises(InvalidInput) as caught:
        task.decode(instance)
    assert str(caught.value) == (
        f"x: expected the shape {list(shape[1:])} for one row, got {list(got)}"
    )


@pytest.mark.parametrize(("shape", "value"), [((-1,), "a"), ((-1, 2), ["a", "b"]), ((-1, 1), [""])])
def test_texts(artefact: Artefact, shape: tuple[int, ...], value: Any) -> None:
    """A bare text stays a str, because an array would have to know its length."""
    row = task_for(artefact, TensorSpec("x", "BYTES", shape)).decode(value)["x"]
    assert row == value if isinstance(value, str) else row.tolist() == value


def test_two_inputs(pair: TensorTask) -> None:
    """With several inputs an instance names each."""
    row = pair.decode({"right": 7, "left": [1, 2.5]})
    assert (row["left"].tolist(), row["right"].tolist()) == ([1.0, 2.5], 7)
    assert row.keys() == {"left", "right"}


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ([1.0], "expected an object with left, right, got a list"),
        (1, "expected an object with left, right, got a number (1)"),
        (None, "expected an object with left, right, got null"),
        ({}, "expected an object with left, right, got one without left"),
        ({"left": [1.0]}, "expected an object with left, right, got one without right"),
        (
            {"left": [], "right": 1, "up": 1},
            "expected an object with left, right, got one with 'up'",
        ),
        (
            {"left": [1.0], "right": 1.5},
            "right: expected INT64, so whole numbers, got a number (1.5)",
        ),
        ({"left": ["1"], "right": 1}, "left: expected FP32, so numbers, got a text ('1')"),
        (
            {"left": [[1], 2], "right": 1},
            "left: lists of different lengths, so they form no tensor",
        ),
    ],
    ids=str,
)
def test_wrong_instance(pair: TensorTask, instance: Any, message: str) -> None:
    """An instance that does not fit is refused with the input's name, expected and got."""
    with pytest.raises(InvalidInput) as caught:
        pair.decode(instance)
    assert str(caught.value) == message


@given(JSON_VALUES, JSON_VALUES)
def test_any_json(pair: TensorTask, left: Any, right: Any) -> None:
    """Any JSON instance becomes a row of the signature, or our own error."""
    for instance in (left, {"left": left, "right": right}):
        try:
            row = pair.decode(instance)
        except InvalidInput:
            continue
        assert (row["left"].dtype, row["left"].ndim) == (np.float32, 1)
        assert (row["right"].dtype, row["right"].ndim) == (np.int64, 0)


def test_any_json_for_one_input(artefact: Artefact) -> None:
    """The same for a model with one input, whose values may stand alone."""
    task = task_for(artefact, TensorSpec("x", "BYTES", (-1, -1, 2)))

    @given(JSON_VALUES | st.lists(st.lists(st.text(max_size=1), min_size=2, max_size=2)))
    def check(value: Any) -> None:
        try:
            row = task.decode(value)
        except InvalidInput:
            return
        assert row["x"].shape[1:] == (2,)

    check()


def test_answers(artefact: Artefact, pair: TensorTask) -> None:
    """One output answers bare values, several answer an object with each."""
    row = {"both": np.array([1.5, 2]), "twice": np.array(6)}
    assert pair.encode(row, None) == {"both": [1.5, 2.0], "twice": 6}
    manifest = dataclasses.replace(artefact.manifest, outputs=artefact.manifest.outputs[:1])
    single = TensorTask(dataclasses.replace(artefact, manifest=manifest))
    assert single.encode(row, None) == [1.5, 2.0]


def test_no_parameters(pair: TensorTask) -> None:
    """A bare model takes no parameters, and says so."""
    assert pair.read_parameters({}) is None
    with pytest.raises(InvalidInput, match="unknown 'top_k'; this model takes none"):
        pair.read_parameters({"top_k": 1})


@pytest.mark.parametrize("content_type", ["text/plain", "image/png", "x" * 1000])
def test_json_only(pair: TensorTask, content_type: str) -> None:
    """A body that is not JSON is refused with its type, in few words."""
    with pytest.raises(UnsupportedMediaType) as caught:
        pair.read_body(b"", content_type)
    assert content_type[:60] in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ((3,), [1.0, 2.0, 3.0]),
        ((1, 3), [[1.0, 2.0, 3.0]]),
        ((2, -1), [[1.0], [2.0]]),
        ((0,), []),
        pytest.param((), 1.5, id="a scalar"),
        pytest.param((), [[1.0, 2.0]], id="a shape that the model does not state"),
    ],
)
def test_without_rows(artefact: Artefact, shape: tuple[int, ...], value: Any) -> None:
    """A model whose first axis does not count rows takes whole tensors."""
    task = task_for(artefact, TensorSpec("x", "FP32", shape))
    assert task.decode(value)["x"].tolist() == value


def test_without_rows_wrong_shape(artefact: Artefact) -> None:
    """A tensor that the signature does not allow is refused with both shapes."""
    task = task_for(artefact, TensorSpec("x", "FP32", (3, 2)))
    with pytest.raises(InvalidInput, match=r"x: expected the shape \[3, 2\] for the whole tensor"):
        task.decode([1.0, 2.0])


def test_bare_text(artefact: Artefact) -> None:
    """A row of a text output is a bare text."""
    row = {"both": np.array([1.5], np.float32), "twice": "setosa"}
    assert TensorTask(artefact).encode(row, None) == {"both": [1.5], "twice": "setosa"}


def test_labels(linear_artefact: Path, reseal: Callable[[Path, str, str], None]) -> None:
    """Labels are optional, and part of the description when they are there."""
    assert TensorTask(Artefact.open(linear_artefact)).describe() == {}
    reseal(linear_artefact, "labels.json", json.dumps({"labels": ["no", "yes"]}))
    assert TensorTask(Artefact.open(linear_artefact)).describe() == {"labels": ["no", "yes"]}


@pytest.mark.parametrize("labels", [[], {}, {"labels": []}, {"labels": "a"}, None], ids=str)
def test_wrong_labels(
    linear_artefact: Path, reseal: Callable[[Path, str, str], None], labels: Any
) -> None:
    """Labels of another form are refused by file."""
    reseal(linear_artefact, "labels.json", json.dumps(labels))
    with pytest.raises(ArtefactError, match=r"/labels\.json: expected a list `labels`"):
        TensorTask(Artefact.open(linear_artefact))
