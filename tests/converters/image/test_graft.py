"""The graph around a network: pixels in, probabilities out, each number worked out by hand."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from converters.errors import UnsupportedModel
from converters.image.graft import GRAFTED, Scores, find_input, graft
from converters.image.pixel_form import PIXEL_FORMS, PixelForm
from tests.converters.networks import (
    CLASSES,
    FLOAT,
    SIDE,
    linear_network,
    network,
    softmax,
    weights,
)

PIXELS = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3)).astype(np.uint8)


def by_hand(form: str) -> np.ndarray:
    """PIXELS as each framework's own documentation says: FP64 [N, H, W, 3]."""
    rgb = PIXELS.astype(np.float64)
    bgr = rgb[..., [2, 1, 0]]
    return {
        "imagenet": (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "caffe": bgr - [103.939, 116.779, 123.68],
        "tf": rgb / 127.5 - 1,
        "unit": rgb / 255,
        "raw": rgb,
    }[form]


def run(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (answer,) = session.run(["probabilities"], {"image": pixels})
    return answer


def grafted(model: onnx.ModelProto, form: PixelForm, logits: bool = True) -> onnx.ModelProto:
    scores = Scores("scores", CLASSES, logits)
    return graft(model, find_input(model, None), form, (SIDE, SIDE), scores)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("form", PIXEL_FORMS)
def test_pixels_become_the_networks_numbers(form: str, layout: str) -> None:
    """Each named form gives what its framework documents, in both layouts."""
    numbers = by_hand(form)
    if layout == "nchw":
        numbers = numbers.transpose(0, 3, 1, 2)
    # Small weights, so that raw pixels do not push every probability to 0 or 1.
    matrix = weights(0.05)
    got = run(grafted(linear_network(layout, matrix=matrix), PIXEL_FORMS[form]), PIXELS)
    want = softmax(numbers.reshape(len(PIXELS), -1) @ matrix.astype(np.float64))
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert len({tuple(row) for row in got.round(3).tolist()}) == len(PIXELS)


@pytest.mark.parametrize("ending", ["logits", "map", "softmax"])
@pytest.mark.parametrize("version", [11, 13, 20])
def test_endings(ending: str, version: int) -> None:
    """Logits get a softmax, probabilities none, [N, C, 1, 1] is made flat; for old opsets too."""
    form = PIXEL_FORMS["tf"]
    model = linear_network(ending=ending, version=version)
    got = run(grafted(model, form, logits=ending != "softmax"), PIXELS)
    numbers = by_hand("tf").transpose(0, 3, 1, 2).reshape(len(PIXELS), -1)
    np.testing.assert_allclose(got, softmax(numbers @ weights().astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8])
def test_element_types(kind: int) -> None:
    """A network of any float type, or of bytes, gets bytes in and gives float32 out."""
    form = PIXEL_FORMS["raw" if kind == TensorProto.UINT8 else "unit"]
    matrix = weights(0.05)
    model = linear_network(kind=kind, matrix=matrix)
    got = run(grafted(model, form), PIXELS)
    numbers = by_hand("raw" if kind == TensorProto.UINT8 else "unit").transpose(0, 3, 1, 2)
    want = softmax(numbers.reshape(len(PIXELS), -1) @ matrix.astype(np.float64))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_one_signature() -> None:
    """Whatever the network's names are, what is served is `image` and `probabilities`."""
    model = grafted(linear_network("nhwc", rows=1), PIXEL_FORMS["caffe"])
    (taken,), (given,) = model.graph.input, model.graph.output
    sizes = [axis.dim_value or axis.dim_param for axis in taken.type.tensor_type.shape.dim]
    assert (taken.name, sizes) == ("image", ["rows", SIDE, SIDE, 3])
    sizes = [axis.dim_value or axis.dim_param for axis in given.type.tensor_type.shape.dim]
    assert (given.name, sizes) == ("probabilities", ["rows", CLASSES])
    assert model.opset_import[0].version == 18
    onnx.checker.check_model(model, full_check=True)


def test_only_what_is_needed_stays() -> None:
    """Other outputs, the nodes and weights behind them and the exporter's notes are left out."""
    model = linear_network()
    other = helper.make_node("Relu", ["logits"], ["other"], doc_string="/home/someone/net.py")
    model.graph.node.append(other)
    model.graph.node[0].doc_string = "/home/someone/net.py"
    model.graph.output.append(helper.make_tensor_value_info("other", FLOAT, ["rows", CLASSES]))
    kept = grafted(model, PIXEL_FORMS["tf"])
    assert [node.op_type for node in kept.graph.node if node.op_type == "Relu"] == []
    assert b"/home/someone" not in kept.SerializeToString()
    assert any(node.name.startswith(GRAFTED) for node in kept.graph.node)


def test_the_network_itself_is_left_as_it_is() -> None:
    """Grafting makes a new model."""
    model = linear_network()
    before = model.SerializeToString()
    grafted(model, PIXEL_FORMS["imagenet"])
    assert model.SerializeToString() == before


def info(kind: int, *shape: Any, name: str = "images") -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def of_inputs(*inputs: onnx.ValueInfoProto) -> onnx.ModelProto:
    node = helper.make_node("Identity", [inputs[0].name], ["scores"])
    return network([node], list(inputs), [info(FLOAT, "rows", CLASSES, name="scores")], [])


NOT_IMAGES: dict[str, tuple[onnx.ModelProto, str]] = {
    "two inputs": (
        of_inputs(info(FLOAT, 1, 3, 8, 8), info(FLOAT, 1, name="scale")),
        "expected a model with one input, the images; got images, scale",
    ),
    "rows of numbers": (of_inputs(info(FLOAT, 1, 12)), r"images \[N, 3, H, W\]"),
    "a shape that is not stated": (
        of_inputs(helper.make_tensor_value_info("images", FLOAT, None)),
        r"images \[N, 3, H, W\]",
    ),
    "whole numbers": (of_inputs(info(TensorProto.INT64, 1, 3, 8, 8)), "floats or UINT8, got INT64"),
    "no axis of 3": (of_inputs(info(FLOAT, 1, 1, 8, 8)), "--layout nchw or --layout nhwc"),
    "two axes of 3": (of_inputs(info(FLOAT, 1, 3, 8, 3)), "--layout nchw or --layout nhwc"),
    "an old opset": (linear_network(version=6), "opset 6; 7 is the oldest"),
}


@pytest.mark.parametrize("name", NOT_IMAGES)
def test_what_takes_no_images_is_refused(name: str) -> None:
    """A network without one batch of colour images is refused, with what was expected."""
    model, message = NOT_IMAGES[name]
    with pytest.raises(UnsupportedModel, match=message):
        find_input(model, None)


def test_a_stated_layout_must_fit() -> None:
    """--layout settles what the shape leaves open, and cannot contradict it."""
    assert find_input(of_inputs(info(FLOAT, 1, 3, 8, 3)), "nhwc").height == 3
    with pytest.raises(UnsupportedModel, match="expected 3 channels in NHWC"):
        find_input(linear_network(), "nhwc")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (linear_network(ending="spread"), r"expected \[N, classes\], got the shape"),
        (
            network(
                [helper.make_node("Shape", ["images"], ["scores"])],
                [info(FLOAT, "rows", 3, SIDE, SIDE)],
                [info(TensorProto.INT64, 4, name="scores")],
                [],
            ),
            "expected floats, one for each class",
        ),
    ],
    ids=["scores for places", "whole numbers"],
)
def test_outputs_that_score_no_classes(model: onnx.ModelProto, message: str) -> None:
    """An output that is not one float for each class is refused."""
    with pytest.raises(UnsupportedModel, match=message):
        grafted(model, PIXEL_FORMS["tf"])
