"""Session options: chosen by measurement, kept only with parity, and never more than allowed."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters import session_options
from modelserver.artefact import Artefact
from modelserver.errors import ArtefactError
from modelserver.model import ServedModel
from modelserver.runtime import OnnxModel
from tests.conftest import linear_model, publish_tensor, serialise

SCALE = 0.5
ROWS = [[0.5, 1.0, -1.5], [2.0, 0.0, 1.0]]
SUMS = np.array([[0.0], [3.0]], np.float32)


def quantised_model() -> bytes:
    """`x` FP32 [N, 3] -> `y` FP32 [N, 1]: the sum of a row, rounded to halves."""
    quantise = ["scale", "zero"]
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", *quantise], ["q"]),
            helper.make_node("DequantizeLinear", ["q", *quantise], ["rounded"]),
            helper.make_node("MatMul", ["rounded", "ones"], ["y"]),
        ],
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        [
            numpy_helper.from_array(np.ones((3, 1), np.float32), "ones"),
            numpy_helper.from_array(np.array(SCALE, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.int8), "zero"),
        ],
    )
    return serialise(graph)


def publish(tmp_path: Path, model: bytes) -> Artefact:
    folder = publish_tensor(tmp_path, "sum", model, list(ROWS), {"y": SUMS})
    return Artefact.open(folder)


@pytest.mark.parametrize(
    ("fused", "apart", "options"),
    [
        (2.0, 1.0, session_options.WITHOUT_QDQ),
        (1.0, 2.0, {}),
        (1.05, 1.0, {}),
    ],
    ids=["faster", "slower", "hardly faster"],
)
def test_faster_option_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fused: float,
    apart: float,
    options: dict[str, str],
) -> None:
    """A quantised model gets the option when it is clearly faster with it, and is served so."""
    monkeypatch.setattr(session_options, "_measure", lambda models, row: (fused, apart))
    artefact = publish(tmp_path, quantised_model())
    assert artefact.manifest.session_options == options
    model = ServedModel.load(artefact.folder, threads=1)
    assert model.score(list(ROWS), {}) == SUMS.tolist()


def test_both_ways_are_measured(tmp_path: Path) -> None:
    """The measurement runs the model with and without the option."""
    artefact = publish(tmp_path, quantised_model())
    model = ServedModel.load(artefact.folder, threads=1)
    row = model.task.decode(ROWS[0])
    assert min(session_options._measure([model, model], row)) > 0


def test_parity_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option under which the answers differ from the original's is not taken, however fast."""
    monkeypatch.setattr(session_options, "_measure", lambda models, row: (9.0, 1.0))

    class Different:
        holds = False

    monkeypatch.setattr(session_options, "compare", lambda model, examples: Different)
    assert publish(tmp_path, quantised_model()).manifest.session_options == {}


def test_others_have_no_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without quantised nodes is not measured."""
    monkeypatch.setattr(session_options, "_measure", lambda models, row: pytest.fail("measured"))
    assert publish(tmp_path, linear_model()).manifest.session_options == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session.disable_quant_qdq", "2"),
        ("session.optimized_model_external_initializers_file_name", "/tmp/x"),
        ("session.use_env_allocators", "1"),
    ],
)
def test_unknown_options_are_refused(tmp_path: Path, name: str, value: str) -> None:
    """A manifest cannot make ONNX Runtime do anything that is not on the list."""
    artefact = publish(tmp_path, linear_model())
    with pytest.raises(ArtefactError, match=rf"the session option {name}={value}; this server "):
        OnnxModel(artefact.model_path, threads=1, session_options={name: value})
