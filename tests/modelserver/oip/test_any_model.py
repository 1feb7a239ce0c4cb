"""What ONNX models can look like: each kind is served as tensors, or refused at load in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelserver.errors import ArtefactError
from modelserver.runtime import OnnxModel
from tests.conftest import publish_tensor, serialise
from tests.modelserver.conftest import Site, load_repository
from tests.modelserver.oip.tensors import tensor

FLOAT = TensorProto.FLOAT
X = helper.make_tensor_value_info("x", FLOAT, ["rows", 2])
ROWS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)

MakeSite = Callable[..., Site]


def graph(nodes: list[Any], inputs: list[Any], outputs: list[Any], *constants: Any) -> bytes:
    """The bytes of a model."""
    return serialise(helper.make_graph(nodes, "any", inputs, outputs, constants))


def serve(make_site: MakeSite, folder: Path, model: bytes, row: Any, **outputs: Any) -> Site:
    """Publish a model as `any` and put a server around it."""
    wanted = {name: np.array(value) for name, value in outputs.items()}
    publish_tensor(folder / "models", "any", model, [row], wanted)
    return make_site(load_repository(folder / "models"))


def infer(site: Site, *inputs: dict[str, Any]) -> dict[str, tuple[list[int], list[Any]]]:
    """Shape and flat data of each output."""
    answer = site.post("/v2/models/any/infer", {"inputs": list(inputs)})
    assert answer.status_code == 200, answer.data
    return {one["name"]: (one["shape"], one["data"]) for one in answer.json["outputs"]}


def test_optional_type(make_site: MakeSite, tmp_path: Path) -> None:
    """An input of an optional type may be left out of a request."""
    optional = helper.make_tensor_type_proto(FLOAT, [1])
    then = helper.make_graph(
        [helper.make_node("OptionalGetElement", ["bias"], ["given"])],
        "then",
        [],
        [helper.make_tensor_value_info("given", FLOAT, [1])],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["zero"], ["nothing"])],
        "else",
        [],
        [helper.make_tensor_value_info("nothing", FLOAT, [1])],
    )
    model = graph(
        [
            helper.make_node("OptionalHasElement", ["bias"], ["has"]),
            helper.make_node("If", ["has"], ["used"], then_branch=then, else_branch=other),
            helper.make_node("Add", ["x", "used"], ["y"]),
        ],
        [X, helper.make_value_info("bias", helper.make_optional_type_proto(optional))],
        [helper.make_tensor_value_info("y", FLOAT, ["rows", 2])],
        numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
    )
    site = serve(make_site, tmp_path, model, [1, 2], y=[[1.0, 2.0]])
    x = tensor("x", "FP32", ROWS)
    assert infer(site, x)["y"][1] == [1, 2, 3, 4, 5, 6]
    bias = tensor("bias", "FP32", np.array([10], np.float32))
    assert infer(site, bias, x)["y"][1] == [11, 12, 13, 14, 15, 16]


def test_free_dimensions(make_site: MakeSite, tmp_path: Path) -> None:
    """Every size may be free; an answer has whatever shape comes out."""
    free = ["a", None, "c"]
    model = graph(
        [helper.make_node("Transpose", ["x"], ["y"], perm=[2, 0, 1])],
        [helper.make_tensor_value_info("x", FLOAT, free)],
        [helper.make_tensor_value_info("y", FLOAT, [4, "a", None])],
    )
    golden = np.zeros((1, 1, 4), np.float32)
    site = serve(make_site, tmp_path, model, golden.tolist(), y=golden.transpose(2, 0, 1)[None])
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    shape, data = infer(site, tensor("x", "FP32", array))["y"]
    assert shape == [4, 2, 3]
    assert data == array.transpose(2, 0, 1).reshape(-1).tolist()


def test_scalars(make_site: MakeSite, tmp_path: Path) -> None:
    """Tensors without axes go in and out with the shape []."""
    scalar = helper.make_tensor_value_info
    model = graph(
        [helper.make_node("Neg", ["x"], ["y"])], [scalar("x", FLOAT, [])], [scalar("y", FLOAT, [])]
    )
    site = serve(make_site, tmp_path, model, 3.0, y=[-3.0])
    assert infer(site, tensor("x", "FP32", np.array(7, np.float32)))["y"] == ([], [-7])


def test_outputs_without_elements(make_site: MakeSite, tmp_path: Path) -> None:
    """An output may be empty, which is an answer like any other."""
    model = graph(
        [
            helper.make_node("Greater", ["x", "three"], ["over"]),
            helper.make_node("NonZero", ["over"], ["where"]),
        ],
        [X],
        [helper.make_tensor_value_info("where", TensorProto.INT64, [2, "found"])],
        numpy_helper.from_array(np.array(3, np.float32), "three"),
    )
    site = serve(make_site, tmp_path, model, [[1.0, 4.0]], where=[[[0], [1]]])
    assert infer(site, tensor("x", "FP32", ROWS[:1]))["where"] == ([2, 0], [])
    assert infer(site, tensor("x", "FP32", ROWS))["where"] == ([2, 3], [1, 2, 2, 1, 0, 1])


def test_two_axes_that_disagree(make_site: MakeSite, tmp_path: Path) -> None:
    """Sizes that the signature leaves free but the graph does not are the caller's mistake."""
    free = ["rows", "columns"]
    model = graph(
        [helper.make_node("MatMul", ["x", "matrix"], ["y"])],
        [helper.make_tensor_value_info("x", FLOAT, free)],
        [helper.make_tensor_value_info("y", FLOAT, ["rows", 1])],
        numpy_helper.from_array(np.ones((2, 1), np.float32), "matrix"),
    )
    site = serve(make_site, tmp_path, model, [1, 2], y=[[3.0]])
    wrong = tensor("x", "FP32", np.ones((1, 3), np.float32))
    answer = site.post("/v2/models/any/infer", {"inputs": [wrong]})
    assert (answer.status_code, answer.json["code"]) == (422, "refused_by_model")


SEQUENCE = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))

REFUSED = {
    "sequence out": (
        graph(
            [helper.make_node("SplitToSequence", ["x"], ["y"])],
            [X],
            [helper.make_value_info("y", SEQUENCE)],
        ),
        r"y: seq\(tensor\(float\)\) cannot be served; end the graph with ConcatFromSequence",
    ),
    "sequence in": (
        graph(
            [helper.make_node("ConcatFromSequence", ["x"], ["y"], axis=0)],
            [helper.make_value_info("x", SEQUENCE)],
            [helper.make_tensor_value_info("y", FLOAT, None)],
        ),
        r"x: seq\(tensor\(float\)\) cannot be served",
    ),
    "bfloat16": (
        graph(
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)],
            [X],
            [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, ["rows", 2])],
        ),
        r"y: tensor\(bfloat16\) cannot be served; add a Cast to float",
    ),
    "float8": (
        graph(
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E4M3FN)],
            [X],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT8E4M3FN, ["rows", 2])],
        ),
        r"y: tensor\(float8e4m3fn\) cannot be served; add a Cast to float",
    ),
}


@pytest.mark.parametrize(
    ("model", "message"), [pytest.param(*case, id=name) for name, case in REFUSED.items()]
)
def test_refused_at_load(model: bytes, message: str, tmp_path: Path) -> None:
    """What has no form as a tensor is refused before it is served, with the way out."""
    path = tmp_path / "model.onnx"
    path.write_bytes(model)
    with pytest.raises(ArtefactError, match=message):
        OnnxModel(path, threads=1)
