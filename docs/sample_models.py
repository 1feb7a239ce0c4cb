"""Two small models for the screenshots, made in a second."""

import base64
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from docs.drawings import DRAWINGS

COLOURS = {
    "blue": (60, 120, 200),
    "light blue": (180, 215, 245),
    "dark blue": (25, 50, 110),
    "green": (85, 160, 75),
    "yellow": (248, 205, 55),
    "red": (195, 45, 40),
    "brown": (130, 85, 55),
    "white": (245, 243, 238),
}
SIDE = 128
_SHARPNESS = 0.004  # how fast a pixel leaves one colour for another, by squared distance


def publish_samples(repository: Path) -> None:
    """Publish the image model `colours` and the tensor model `iris`."""
    publish_colours(repository)
    publish_iris(repository)


def publish_colours(repository: Path) -> None:
    """`image` UINT8 [N, 128, 128, 3] -> `probabilities` FP32 [N, 8]: the share of each colour.

    A pixel belongs to the colours by the softmax of its negative squared distances to them, which
    is a linear layer: the pixel's own square is the same for all. The picture is the mean.
    """
    palette = np.array(list(COLOURS.values()), np.float32)
    weights, bias = 2 * _SHARPNESS * palette.T, -_SHARPNESS * (palette**2).sum(axis=1)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["pixels", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("ReduceMean", ["shares", "axes"], ["probabilities"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["rows", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", len(COLOURS)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(np.array([1, 2]), "axes"),
        ],
    )
    files = [draw() for draw in DRAWINGS.values()]
    instances = [{"b64": base64.b64encode(content).decode()} for content in files]
    scores = np.stack([_pixels(content) for content in files]) @ weights + bias
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    wanted = (shares / shares.sum(axis=-1, keepdims=True)).mean(axis=(1, 2))
    publication = Publication(
        task="image-classification",
        onnx_model=_serialise(graph),
        golden_request=files[0],
        golden_name="example/request.png",
        examples=Examples(instances, {"probabilities": wanted}, tolerance=1e-3),
        files={"labels.json": {"labels": [{"label": name} for name in COLOURS]}},
        preprocessing={"image": {"resize": "squash", "filter": "bilinear"}},
    )
    _publish(publication, repository, "colours")


def publish_iris(repository: Path) -> None:
    """`sepal` and `petal` FP32 [N, 2] in cm -> `probabilities` FP32 [N, 3] of the species."""
    data = load_iris()
    model = LogisticRegression(max_iter=1000).fit(data.data, data.target)
    names = ("sepal", "petal")
    nodes = [
        helper.make_node("Concat", [*names], ["flower"], axis=1),
        helper.make_node("Gemm", ["flower", "weights", "bias"], ["scores"], transB=1),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "iris",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 2]) for name in names],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 3])],
        [
            numpy_helper.from_array(model.coef_.astype(np.float32), "weights"),
            numpy_helper.from_array(model.intercept_.astype(np.float32), "bias"),
        ],
    )
    rows = data.data[[60, 0, 140]]
    instances = [{"sepal": row[:2].tolist(), "petal": row[2:].tolist()} for row in rows]
    publication = Publication(
        task="tensor",
        onnx_model=_serialise(graph),
        golden_request={"instances": instances[:1]},
        examples=Examples(instances, {"probabilities": model.predict_proba(rows)}, tolerance=1e-5),
        files={"labels.json": {"labels": data.target_names.tolist()}},
    )
    _publish(publication, repository, "iris")


def _pixels(content: bytes) -> npt.NDArray[np.float32]:
    """FP32 [128, 128, 3] of a file, as the server prepares it."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)


def _serialise(graph: GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


def _publish(publication: Publication, repository: Path, name: str) -> None:
    publish(publication, Place.choose(str(repository), name, None), Report(name))
