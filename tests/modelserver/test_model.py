"""A served model: proved by its golden request, and batched without mixing anything up."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from converters.errors import UnsupportedModel
from modelserver.artefact import Artefact
from modelserver.errors import ArtefactError, InvalidInput, ModelFailed, TooLarge
from modelserver.model import ServedModel
from modelserver.repository import Repository
from tests.conftest import publish_tensor, serialise
from tests.modelserver.samples import publish_faq


@pytest.fixture(scope="session")
def pair(repository: Repository) -> ServedModel:
    """`left` FP32 [N, -1], `right` INT64 [N] -> the same, and twice the right."""
    return repository.get("pair")


def test_golden_request_is_scored_at_load(linear_artefact: Path) -> None:
    """A sound artefact is served, and says how far its golden answer was off."""
    model = ServedModel.load(linear_artefact, threads=1)
    assert (model.name, model.version, model.golden_error) == ("sum", 1, 0.0)
    assert model.provider == "CPUExecutionProvider"


def test_small_deviation_is_reported(
    linear_artefact: Path, reseal: Callable[[Path, str, str], None]
) -> None:
    """A golden answer within tolerance is served; the deviation is known."""
    near = {"predictions": [[6.0005], [0.875]]}
    reseal(linear_artefact, "example/response.json", json.dumps(near))
    assert ServedModel.load(linear_artefact, threads=1).golden_error == pytest.approx(0.0005)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (
            "example/response.json",
            {"predictions": [[6.01], [0.875]]},
            r"not answer as recorded: response\.predictions\[0\]\[0\]: expected 6\.01, got 6\.0",
        ),
        ("example/response.json", {"predictions": [[6.0]]}, r"response\.predictions: expected"),
        ("example/response.json", {"predictions": []}, r"response\.predictions: expected"),
        ("example/response.json", {}, "response: expected"),
        ("example/response.json", None, "response: expected None"),
        ("example/request.json", {"instances": []}, "golden request: instances: expected a list"),
        ("example/request.json", {"instances": ["a"]}, r"golden request: instances\[0\]: x: "),
        ("example/request.json", {"instances": [[1, 2, 4]]}, "does not answer as recorded"),
        ("example/request.json", [], "golden request: body: expected"),
    ],
)
def test_wrong_golden_pair_is_refused(
    linear_artefact: Path,
    reseal: Callable[[Path, str, str], None],
    file: str,
    content: Any,
    reason: str,
) -> None:
    """A model that does not answer as recorded is never served, whatever its hashes say."""
    reseal(linear_artefact, file, json.dumps(content))
    with pytest.raises(ArtefactError, match=reason):
        ServedModel.load(linear_artefact, threads=1)


def test_other_model_is_refused(
    linear_artefact: Path, reseal: Callable[[Path, str, bytes], None], linear_onnx: bytes
) -> None:
    """A model with other weights is caught by its golden answer, not only by its hash."""
    ones = np.ones((3, 1), np.float32).tobytes()
    other = linear_onnx.replace(ones, (2 * np.ones((3, 1), np.float32)).tobytes())
    assert other != linear_onnx
    reseal(linear_artefact, "model.onnx", other)
    with pytest.raises(ArtefactError, match=r"expected 6\.0, got 12\.0"):
        ServedModel.load(linear_artefact, threads=1)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\x09"])
def test_no_model(
    linear_artefact: Path, reseal: Callable[[Path, str, bytes], None], content: bytes
) -> None:
    """A file that ONNX Runtime cannot load is named."""
    reseal(linear_artefact, "model.onnx", content)
    with pytest.raises(ArtefactError, match=r"/model\.onnx: "):
        ServedModel.load(linear_artefact, threads=1)


def test_other_signature_is_refused(
    linear_artefact: Path, reseal: Callable[[Path, str, bytes], None], faq_models: Path
) -> None:
    """A model with other inputs or outputs than the manifest says is refused by field."""
    stranger = (faq_models / "faq" / "1" / "model.onnx").read_bytes()
    reseal(linear_artefact, "model.onnx", stranger)
    with pytest.raises(ArtefactError, match=r"/manifest\.json: inputs: the manifest says .*'x'"):
        ServedModel.load(linear_artefact, threads=1)


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=3)))
def test_mixed_shapes_keep_their_order(pair: ServedModel, lists: list[list[float]]) -> None:
    """Instances of different shapes come back in the order they were sent, each with its own."""
    instances = [{"left": values, "right": i} for i, values in enumerate(lists)]
    assert pair.score(instances, {}) == [
        {"both": values, "twice": 2 * i} for i, values in enumerate(lists)
    ]


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 100])
def test_large_requests_are_split(pair: ServedModel, count: int) -> None:
    """More instances than one inference should get are run in turn."""
    instances = [{"left": [], "right": i} for i in range(count)]
    answers = pair.score(instances, {})
    assert [answer["twice"] for answer in answers] == [2 * i for i in range(count)]


class CountingModel:
    """Stands for ONNX Runtime: remembers how many rows each inference got."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def run(self, feeds: Mapping[str, np.ndarray], deadline: float) -> dict[str, np.ndarray]:
        self.batches.append([len(array) for array in feeds.values()])
        return {"both": feeds["left"], "twice": feeds["right"]}


def test_batches_have_one_shape_and_a_bound(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one shape share an inference, up to max_batch_rows of the manifest."""
    model = ServedModel.load(models / "pair" / "1", threads=1)
    counting = CountingModel()
    monkeypatch.setattr(model._runner, "_onnx_model", counting)
    model.score([{"left": [0.0] * (i % 2), "right": i} for i in range(70)], {})
    assert counting.batches == [[32, 32], [3, 3], [32, 32], [3, 3]]


@pytest.mark.parametrize("position", [0, 2])
def test_wrong_instance_is_numbered(pair: ServedModel, position: int) -> None:
    """One instance that does not fit refuses the request, and says which it was."""
    instances: list[Any] = [{"left": [], "right": 1}] * 3
    instances[position] = {"left": [], "right": "x"}
    with pytest.raises(InvalidInput, match=rf"^instances\[{position}\]: right: expected INT64"):
        pair.score(instances, {})


def test_error_keeps_its_class(faq_repository: Repository) -> None:
    """Numbering an error changes neither its status nor its code."""
    with pytest.raises(TooLarge, match=r"^instances\[1\]: expected at most 1000 characters"):
        faq_repository.get("faq").score(["x", "x" * 1001], {})


def test_parameters_are_checked_first(pair: ServedModel) -> None:
    """A wrong parameter is named even when the instances are wrong, too."""
    with pytest.raises(InvalidInput, match="parameters: unknown 'x'"):
        pair.score([None], {"x": 1})


def test_texts_are_stacked_whole(faq_repository: Repository) -> None:
    """Texts of a batch keep their length, their zero bytes and their order."""
    questions = ["array", "closure " * 50, "", "promise", "this\x00 this"]
    answers = faq_repository.get("faq").score(questions, {"top_k": 1})
    assert [answer["matches"][0]["id"] for answer in answers] == [11, 12, 11, 13, 14]


def publish_reshaped(repository: Path) -> Path:
    """Publish a model that folds pairs of rows into one: [N] -> [N / 2, 2]."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "pairs"], ["y"])],
        "fold",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["halves", "two"])],
        [numpy_helper.from_array(np.array([-1, 2]), "pairs")],
    )
    rows = [1.0, 2.0]
    return publish_tensor(repository, "fold", serialise(graph), rows, {"y": np.zeros((1, 2))})


def test_model_that_mixes_rows(tmp_path: Path) -> None:
    """A model whose outputs have other rows than its inputs would answer for the wrong instance."""
    with pytest.raises(
        UnsupportedModel, match=r"output y: expected 2 rows, got the shape \[1, 2\]"
    ):
        publish_reshaped(tmp_path)


def test_model_that_fails(pair: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ONNX Runtime raises becomes our own error."""
    row = {"left": np.zeros(1, np.float32), "right": np.zeros((), np.float64)}
    with pytest.raises(ModelFailed):
        pair.run([row])


def test_unknown_task(tmp_path: Path) -> None:
    """A task this server does not have is refused with those it has."""
    folder = publish_faq(tmp_path)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"task": "faq"', '"task": "poem"'))
    with pytest.raises(ArtefactError, match=r"task: expected one of faq, .*, got 'poem'"):
        ServedModel.assemble(Artefact.open(folder), threads=1)
