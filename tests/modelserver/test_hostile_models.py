"""Model files made to harm the server: refused at start, or bounded while they run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelserver.errors import ArtefactError
from modelserver.model import ServedModel
from tests.conftest import RunningServer, publish_linear, serialise
from tests.modelserver.samples import publish_slow

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])


def with_weights(weights: TensorProto) -> bytes:
    """The model `linear_model` with other weights."""
    return serialise(
        helper.make_graph(
            [helper.make_node("MatMul", ["x", weights.name], ["y"])], "sum", [X], [Y], [weights]
        )
    )


def elsewhere(location: str) -> bytes:
    """Weights that lie in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 1])
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "12"}.items():
        weights.external_data.add(key=key, value=value)
    return with_weights(weights)


def gigantic() -> bytes:
    """Weights that claim a terabyte and bring none of it."""
    return with_weights(
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2**38], raw_data=b"")
    )


def foreign() -> bytes:
    """A node of a library that would have to be loaded."""
    node = helper.make_node("RunAnything", ["x"], ["y"], domain="com.example")
    return serialise(helper.make_graph([node], "foreign", [X], [Y]))


def growing() -> bytes:
    """A constant of 40 GB that a node would make at load."""
    shape = numpy_helper.from_array(np.array([10**10], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["nought"], keepdims=0),
        helper.make_node("ReduceSum", ["x", "axis"], ["sums"], keepdims=1),
        helper.make_node("Add", ["sums", "nought"], ["y"]),
    ]
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    return serialise(helper.make_graph(nodes, "growing", [X], [Y], [shape, axis]))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "weights in a parent folder": lambda: elsewhere("../../../secret.bin"),
    "weights at an absolute path": lambda: elsewhere("/etc/passwd"),
    "weights in an unlisted file": lambda: elsewhere("weights.bin"),
    "gigantic weights": gigantic,
    "a node of another library": foreign,
    "a constant that does not fit": growing,
    "not a model": lambda: b"\x08\x09" * 1000,
    "empty": lambda: b"",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_refused_before_it_serves(
    tmp_path: Path, reseal: Callable[[Path, str, str | bytes], None], case: str
) -> None:
    """A hostile model with right hashes is refused by name, and reads no file beside its own."""
    folder = publish_linear(tmp_path / "a" / "b")
    (tmp_path / "secret.bin").write_bytes(np.ones(3, np.float32).tobytes())
    reseal(folder, "model.onnx", HOSTILE[case]())
    with pytest.raises(ArtefactError, match=r"model\.onnx|golden request"):
        ServedModel.load(folder, threads=1)


@pytest.mark.parametrize("front", ["waitress", "asyncio"])
def test_an_endless_run(tmp_path: Path, serve: Callable[..., RunningServer], front: str) -> None:
    """Requests to a model that does not come back end at their deadline; others are answered."""
    publish_slow(tmp_path)
    publish_linear(tmp_path)
    server = serve(
        tmp_path,
        "--http-server",
        front,
        "--drain-timeout-seconds",
        "0.2",
        "--default-timeout-seconds",
        "0.5",
    )
    endless = {"instances": [[10**12]]}
    for _ in range(2):
        answer = server.request("/v1/models/slow:predict", endless)
        assert answer.status in (503, 504)
        assert answer.json["code"] in ("deadline_exceeded", "overloaded")
    other = server.request(
        "/v1/models/sum:predict", {"instances": [[1, 2, 3]]}, X_Request_Timeout="60"
    )
    assert other.json["predictions"] == [[6.0]]
    assert server.request("/livez", management=True).status == 200
    assert server.stop() == 0


PATHS = [
    *("/v1/models/..%2F..%2Fetc%2Fpasswd:predict", "/v1/models/../../etc/passwd:predict"),
    *("/v1/models/sum/versions/..%2f10:predict", "/v1/models/sum/versions/010:predict"),
    *("/v1/models/sum%00:predict", "/v1/models/SUM:predict", "/v1/models/%E2%80%AEsum:predict"),
    *("/v2/models/..%2Fsum/infer", "/v2/models/sum/versions/-1/infer"),
    *("/v1/models/sum:predict/", "/v1/models/sum%3Apredict%0d%0aX: y", "/assets/..%2Findex.html"),
    *("/assets/../../settings.py", "/v1/models/" + "a" * 5000 + ":predict"),
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_nowhere(any_server: RunningServer, path: str) -> None:
    """Names in paths are looked up among the models in memory, never on a disk."""
    answer = any_server.request(path.replace(" ", "%20"), {"instances": [[1, 2, 3]]})
    assert answer.status in (404, 405)
    assert "root:" not in answer.body.decode()
