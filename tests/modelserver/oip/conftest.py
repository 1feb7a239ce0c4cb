"""Servers, in this process and in one of their own, with models for every part of the protocol."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelserver.datatypes import DTYPES
from modelserver.repository import Repository
from tests.conftest import RunningServer, publish_linear, publish_tensor, serialise
from tests.modelserver.conftest import MAX_BODY_BYTES, MAX_INSTANCES, Site, load_repository
from tests.modelserver.image_samples import publish_corners
from tests.modelserver.oip.tensors import echo_onnx, publish_echo
from tests.modelserver.samples import publish_faq, publish_pair


def publish_scaled(repository: Path) -> Path:
    """`x` FP32 [N, 2] and `factor` FP32 [], by default 2 -> `y` FP32 [N, 2], their product."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "scaled",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2]),
            helper.make_tensor_value_info("factor", TensorProto.FLOAT, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(np.array(2, np.float32), "factor")],
    )
    expected = {"y": np.array([[2, 4]], np.float32)}
    return publish_tensor(repository, "scaled", serialise(graph), [[1, 2]], expected)


def publish_fixed(repository: Path) -> Path:
    """`x` INT32 [2, 3] -> `y`, the same: a model that does not count rows."""
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    content = echo_onnx("INT32", (2, 3))
    return publish_tensor(repository, "fixed", content, [array.tolist()], {"y": array[None]})


def publish_scores(repository: Path) -> Path:
    """`x` FP32 [N, 3] -> `y`, the same, whose columns have names."""
    row = np.array([[1, 2, 3]], np.float32)
    content = echo_onnx("FP32", ("rows", 3))
    labels = {"labels.json": {"labels": ["low", "middle", "high"]}}
    return publish_tensor(repository, "scores", content, row.tolist(), {"y": row}, files=labels)


@pytest.fixture(scope="session")
def oip_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what the protocol can say; read it only."""
    repository = tmp_path_factory.mktemp("oip") / "models"
    for datatype in DTYPES:
        publish_echo(repository, datatype)
    publish_scaled(repository)
    publish_fixed(repository)
    publish_scores(repository)
    publish_corners(repository)
    publish_faq(repository)
    publish_pair(repository)
    publish_linear(repository, version=2)
    publish_linear(repository, version=10)
    return repository


@pytest.fixture(scope="session")
def oip_repository(oip_models: Path) -> Repository:
    """The loaded models."""
    return load_repository(oip_models)


@pytest.fixture
def oip(make_site: Callable[..., Site], oip_repository: Repository) -> Site:
    """The applications with every model of the protocol."""
    return make_site(oip_repository)


@pytest.fixture(scope="session")
def oip_server(oip_models: Path) -> Iterator[RunningServer]:
    """A real server with every model of the protocol; do not stop it."""
    limits = ("--max-body-bytes", str(MAX_BODY_BYTES), "--max-instances", str(MAX_INSTANCES))
    server = RunningServer(oip_models, *limits)
    yield server
    server.close()


def zipmap_onnx() -> bytes:
    """`x` FP32 [N, 3] -> `scores`: for each row a map of three classes to their numbers."""
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        )
    )
    graph = helper.make_graph(
        [
            helper.make_node(
                "ZipMap",
                ["x"],
                ["scores"],
                domain="ai.onnx.ml",
                classlabels_strings=["no", "perhaps", "yes"],
            )
        ],
        "zipmap",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_value_info("scores", kind)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="session")
def zipmap_repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A model whose answer is maps, loaded."""
    folder = tmp_path_factory.mktemp("zipmap") / "models"
    expected = {"scores": np.array([[1, 2, 3]], np.float32)}
    publish_tensor(folder, "zipmap", zipmap_onnx(), [[1, 2, 3]], expected)
    return load_repository(folder)
