"""Half precision and whole numbers: what is converted, what is measured, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.__main__ import main
from converters.deep.onnx_command import OnnxOriginal
from converters.deep.precision import Agreement
from converters.deep.quantised_weights import expand_quantised_weights
from converters.errors import ParityFailed
from modelserver.artefact import Artefact
from tests.converters.networks import (
    CLASSES,
    FLOAT,
    NUMBERS,
    SIDE,
    linear_network,
    network,
    small_resnet,
    weights,
)
from tests.converters.reduced import PRECISIONS, TOP1_GATES, precision_flags, write_turns
from tests.modelserver.image_samples import picture

IMAGES = f"--image-size {SIDE} --resize squash --filter bilinear --pixels imagenet"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of pictures that differ."""
    return write_turns(tmp_path / "photos", picture())


@pytest.fixture
def convert(tmp_path: Path, photos: Path) -> Callable[[onnx.ModelProto, str], int]:
    """Run the command `onnx` on a model and the pictures."""

    def run(model: onnx.ModelProto, flags: str) -> int:
        path = tmp_path / "net.onnx"
        path.write_bytes(model.SerializeToString())
        given = [*IMAGES.split(), "--sample-dir", str(photos), *flags.split()]
        output = str(tmp_path / "models")
        return main(["onnx", str(path), "--name", "net", "--output", output, *given])

    return run


def published(tmp_path: Path) -> tuple[onnx.ModelProto, Artefact]:
    folder = tmp_path / "models" / "net" / "1"
    return onnx.load(folder / "model.onnx"), Artefact.open(folder)


def probabilities(model: onnx.ModelProto) -> np.ndarray:
    pixels = np.asarray(picture().resize((SIDE, SIDE)))[None]
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (answer,) = session.run(None, {"image": pixels})
    return answer


def test_fp16(convert: Callable[..., int], tmp_path: Path) -> None:
    """Weights are halved; bytes still go in, float32 comes out, and it runs on a CPU."""
    assert convert(small_resnet(), "--precision fp16") == 0
    model, artefact = published(tmp_path)
    kinds = {w.data_type for w in model.graph.initializer if "grafted" not in w.name}
    assert TensorProto.FLOAT16 in kinds
    assert FLOAT not in kinds
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert probabilities(model).dtype == np.float32
    evaluation = artefact.manifest.evaluation
    assert evaluation["precision"] == "fp16"
    assert evaluation["agreement"]["top1"] == 1.0
    assert 0 < evaluation["agreement"]["largest"] < 0.05


@pytest.mark.parametrize("vnni", [False, True])
def test_int8(convert: Callable[..., int], tmp_path: Path, photos: Path, vnni: bool) -> None:
    """Convolutions compute in whole numbers, weights with a scale for each channel."""
    flags = f"--precision int8 --calibration-dir {photos}" + " --vnni" * vnni
    assert convert(small_resnet(), flags) == 0
    model, artefact = published(tmp_path)
    constants = {w.name: w for w in model.graph.initializer}
    kernels = [w for w in constants.values() if w.data_type == TensorProto.INT8 and len(w.dims) > 1]
    assert len(kernels) == 3
    scales = [n for n in model.graph.node if n.op_type == "DequantizeLinear"]
    assert any(constants[n.input[1]].dims == [16] for n in scales if n.input[1] in constants)
    points = {
        constants[n.input[2]].data_type for n in model.graph.node if n.op_type == "QuantizeLinear"
    }
    assert points == {TensorProto.UINT8 if vnni else TensorProto.INT8}
    assert artefact.manifest.evaluation["agreement"]["source"] == "12 images of photos"


@pytest.mark.parametrize("flags", ["--precision fp16", "--precision int8 --calibration-dir {}"])
def test_speed_is_measured(
    convert: Callable[..., int], tmp_path: Path, photos: Path, flags: str
) -> None:
    """The report has images a second of both precisions and their ratio, on this machine."""
    assert convert(small_resnet(), flags.format(photos)) == 0
    report = json.loads((tmp_path / "models" / "net" / "1" / "report.json").read_text())
    (table,) = [rows for name, rows in report.items() if name.startswith("Speed of the bare model")]
    assert [row["precision"] for row in table] == ["fp32", flags.split()[1]]
    for batch in ("batch 1", "batch 8"):
        fp32, small = (float(row[f"images/s, {batch}"]) for row in table)
        ratio = float(report["Speed against fp32"][batch].split()[0])
        assert ratio == pytest.approx(small / fp32, rel=0.05, abs=0.01)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_trained_network(tmp_path: Path, shared_data: Path, precision: str) -> None:
    """A trained network keeps the top class of real photos as both gates ask."""
    images = shared_data / "image"
    flags = "--image-size 224 --pixels tf --resize squash --filter bilinear --scores-output prob"
    flags += f" --output {tmp_path / 'models'}" + precision_flags(precision, images / "photos")
    network = str(images / "models" / "mobilenet_v2_w8_rgb224.onnx")
    assert main(["onnx", network, "--name", "net", *flags.split()]) == 0
    agreement = published(tmp_path)[1].manifest.evaluation["agreement"]
    assert agreement["images"] >= 14
    assert agreement["top1"] >= TOP1_GATES[precision]


def near_ties() -> onnx.ModelProto:
    """Two classes so close that half precision cannot tell them apart."""
    matrix = np.repeat(weights(1.0)[:, :1], CLASSES, axis=1)
    matrix *= 1 + 2e-5 * np.arange(CLASSES)[::-1]
    return linear_network(matrix=matrix.astype(np.float32))


@pytest.mark.parametrize("flags", ["--precision fp16", "--precision int8 --calibration-dir {}"])
def test_gate(
    convert: Callable[..., int],
    tmp_path: Path,
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    flags: str,
) -> None:
    """Exit code 4 and no artefact when too many images change their top class."""
    assert convert(near_ties(), flags.format(photos)) == 4
    error = capsys.readouterr().err
    assert "keeps the top class of" in error
    assert "is asked for" in error
    assert not list(tmp_path.glob("models/net/*"))
    # The same model passes when the user asks for less.
    assert convert(near_ties(), flags.format(photos) + " --min-agreement 0") == 0


def test_tolerance(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is off by more than --tolerance is not published."""
    assert convert(small_resnet(), "--precision fp16 --tolerance 0.0000001") == 4
    assert "differs from the original by up to" in capsys.readouterr().err
    assert not list(tmp_path.glob("models/net/*"))


def test_overflow_in_half_precision(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers too large for half precision never pass as probabilities."""
    assert convert(linear_network(matrix=weights(1e7)), "--precision fp16 --min-agreement 0") == 4
    assert not list(tmp_path.glob("models/net/*"))


def test_agreement() -> None:
    """Share of equal top classes, of the best five in any order, and the largest difference."""
    want = np.array([[0.5, 0.3, 0.1, 0.06, 0.03, 0.01], [0.1, 0.2, 0.3, 0.25, 0.1, 0.05]])
    got = want.copy()
    got[1] = [0.05, 0.2, 0.25, 0.3, 0.1, 0.1]
    agreement = Agreement.between(want, got)
    assert (agreement.images, agreement.top1) == (2, 0.5)
    assert agreement.top5 == pytest.approx(0.9)
    assert agreement.largest == pytest.approx(0.05)
    agreement.require(0.5, "x")
    with pytest.raises(ParityFailed, match=r"x keeps the top class of 50.0% of 2 images"):
        agreement.require(0.6, "x")
    with pytest.raises(ParityFailed):
        Agreement.between(want, np.where(want > 0.4, np.nan, want)).require(0, "x")


def quantised(axis: int | None, zero: bool) -> tuple[onnx.ModelProto, np.ndarray]:
    """A product with weights that are stored as whole numbers, and those weights as floats."""
    random = np.random.default_rng(2)
    stored = random.integers(-127, 128, (NUMBERS, CLASSES)).astype(np.int8)
    shape = () if axis is None else (stored.shape[axis],)
    scale = random.uniform(0.01, 0.02, shape).astype(np.float32)
    point = (random.integers(-3, 4, shape) if zero else np.zeros(shape)).astype(np.int8)
    given = ["stored", "scale"] + ["point"] * zero
    axes = {} if axis is None else {"axis": axis}
    model = linear_network()
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", given, ["matrix"], **axes))
    del model.graph.initializer[:]
    for name, array in (("stored", stored), ("scale", scale), ("point", point))[: len(given)]:
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    along = [1, 1]
    if axis is not None:
        along[axis] = -1
    floats = (stored.astype(np.int32) - point.reshape(along)) * scale.reshape(along)
    return model, floats.astype(np.float32)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_expanded_weights(axis: int | None, zero: bool) -> None:
    """Weights that are stored as whole numbers become exactly the floats they stand for."""
    model, floats = quantised(axis, zero)
    before = model.SerializeToString()
    expand_quantised_weights(model)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Flatten", "MatMul", "Identity"]
    (kept,) = model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(kept), floats)
    feed = {"images": np.random.default_rng(1).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)}
    for content in (before, model.SerializeToString()):
        answer = OnnxOriginal(content, as_floats=True).forward(feed)["scores"]
        np.testing.assert_allclose(answer, feed["images"].reshape(2, -1) @ floats, atol=1e-4)


def test_quantised_activations_stay() -> None:
    """Only weights are expanded: a model that computes in whole numbers stays as it is."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "point"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "point"], ["y"]),
    ]
    model = network(
        nodes,
        [helper.make_tensor_value_info("x", FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", FLOAT, ["n"])],
        [
            numpy_helper.from_array(np.array(0.5, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.uint8), "point"),
        ],
    )
    before = model.SerializeToString()
    expand_quantised_weights(model)
    assert model.SerializeToString() == before


def test_flag_to_expand(convert: Callable[..., int], tmp_path: Path) -> None:
    """--expand-weights stores the floats; without it the smaller file is kept as it is."""
    model, _ = quantised(1, zero=True)
    model.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.full(CLASSES, 1e-4, np.float32), "scale")
    )
    assert convert(model, "") == 0
    assert convert(model, "--expand-weights") == 0
    models = [onnx.load(tmp_path / "models" / "net" / n / "model.onnx") for n in ("1", "2")]
    counts = [sum(n.op_type == "DequantizeLinear" for n in m.graph.node) for m in models]
    assert counts == [1, 0]
    np.testing.assert_allclose(probabilities(models[0]), probabilities(models[1]), atol=5e-3)
