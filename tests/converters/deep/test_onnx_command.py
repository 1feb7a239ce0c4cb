"""`python -m converters onnx`: an existing model becomes a served one, or the reason why not."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from converters.__main__ import main
from modelserver.artefact import Artefact
from modelserver.model import ServedModel
from modelserver.tasks.image_resize import Resize
from tests.converters.networks import (
    CLASSES,
    FLOAT,
    SIDE,
    linear_network,
    network,
    softmax,
    weights,
)
from tests.modelserver.image_samples import picture, save, to_base64

IMAGES = f"--image-size {SIDE} --resize squash --filter bilinear --pixels unit"


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., int]:
    """Run the command on a model; the artefact goes to tmp_path / "models"."""

    def run(model: onnx.ModelProto | bytes, flags: str = IMAGES) -> int:
        path = tmp_path / "net.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        place = ["--name", "net", "--output", str(tmp_path / "models")]
        return main(["onnx", str(path), *place, *flags.split()])

    return run


@pytest.fixture
def served(tmp_path: Path) -> Callable[[], ServedModel]:
    """Load what was published."""
    return lambda: ServedModel.load(tmp_path / "models" / "net" / "1", threads=1)


def answer(model: ServedModel, content: bytes) -> Mapping[int, float]:
    """The probability of each class."""
    (prediction,) = model.score([{"b64": to_base64(content)}], {"top_k": CLASSES})
    return {found["index"]: found["probability"] for found in prediction["classes"]}


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_served_as_an_image_classifier(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path, layout: str
) -> None:
    """A photo posted to the server gets the network's own answer, with labels."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"n0000000{n} class {n}\n" for n in range(CLASSES)))
    flags = f"{IMAGES} --pixels caffe --labels {labels} --top-k 2"
    assert convert(linear_network(layout, matrix=weights(0.05)), flags) == 0
    model = served()
    got = answer(model, save(picture(), "PNG"))
    small = picture().resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    numbers = np.asarray(small)[..., ::-1] - np.array([103.939, 116.779, 123.68])
    if layout == "nchw":
        numbers = numbers.transpose(2, 0, 1)
    (want,) = softmax(numbers.reshape(1, -1) @ weights(0.05).astype(np.float64))
    assert [got[n] for n in range(CLASSES)] == pytest.approx(list(want), abs=1e-5)
    (prediction,) = model.score([{"b64": to_base64(save(picture(), "PNG"))}], {})
    first, second = prediction["classes"]
    assert (first["wnid"], first["label"]) == (f"n0000000{want.argmax()}", f"class {want.argmax()}")
    assert first["probability"] > second["probability"]


def test_what_the_artefact_says(convert: Callable[..., int], tmp_path: Path) -> None:
    """Manifest and report tell source, resizing, parity, speed, memory and precision."""
    assert convert(linear_network()) == 0
    folder = tmp_path / "models" / "net" / "1"
    manifest = Artefact.open(folder).manifest
    assert manifest.task == "image-classification"
    assert manifest.preprocessing == {"image": {"resize": "squash", "filter": "bilinear"}}
    assert manifest.evaluation == {"source": "net.onnx", "precision": "fp32"}
    assert manifest.parity["compared"] == 16
    assert manifest.parity["largest"] <= 1e-5
    report = (folder / "report.md").read_text()
    for words in ("opset", "NCHW, RGB", "images/s, batch 8", "peak memory", "16 synthetic images"):
        assert words in report
    assert (folder / "example" / "request.png").is_file()


def test_photos_of_the_users(convert: Callable[..., int], tmp_path: Path) -> None:
    """--sample-dir is what parity is checked on, and gives the golden request."""
    (tmp_path / "photos").mkdir()
    for turn in (0, 90, 180):
        content = save(picture().rotate(turn), "JPEG")
        (tmp_path / "photos" / f"{turn}.jpg").write_bytes(content)
    assert convert(linear_network(), f"{IMAGES} --sample-dir {tmp_path / 'photos'}") == 0
    folder = tmp_path / "models" / "net" / "1"
    golden = (folder / "example" / "request.jpg").read_bytes()
    assert golden in [path.read_bytes() for path in (tmp_path / "photos").iterdir()]
    stored = json.loads((folder / "parity.json").read_text())
    assert len(stored["instances"]) == 3
    assert main(["check", str(folder)]) == 0


def test_photos_too_large_for_a_golden_request(convert: Callable[..., int], tmp_path: Path) -> None:
    """When every photo is too large to be stored, a synthetic image becomes the golden request."""
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (250, 250, 3)).astype(np.uint8)
    (tmp_path / "photos" / "large.png").write_bytes(save(Image.fromarray(noise), "PNG"))
    assert convert(linear_network(), f"{IMAGES} --sample-dir {tmp_path / 'photos'}") == 0
    assert (tmp_path / "models" / "net" / "1" / "example" / "request.png").stat().st_size < 70_000


def test_network_for_one_image_at_a_time(
    convert: Callable[..., int], served: Callable[[], ServedModel]
) -> None:
    """A batch axis declared as 1 is freed when the network works for any number of images."""
    assert convert(linear_network(rows=1)) == 0
    images = [{"b64": to_base64(save(picture().rotate(turn), "PNG"))} for turn in (0, 90)]
    model = served()
    together = model.score(images, {})
    assert together == [model.score([image], {})[0] for image in images]
    assert together[0] != together[1]


def test_output_of_several(convert: Callable[..., int], served: Callable[[], ServedModel]) -> None:
    """With several outputs the one that scores the classes is named."""
    model = linear_network()
    model.graph.output.append(helper.make_tensor_value_info("flat", FLOAT, ["rows", 192]))
    assert convert(model, f"{IMAGES} --scores-output scores") == 0
    assert len(served().artefact.manifest.outputs) == 1


def test_shorter_side_reaches_the_server(
    convert: Callable[..., int], served: Callable[[], ServedModel]
) -> None:
    """Every resize flag is stored as the server reads it."""
    flags = (
        f"--image-size {SIDE} --pixels unit --resize shorter_side --resize-to 12 --filter bicubic "
        "--crop-offset down --long-side nearest --background 1,2,3"
    )
    assert convert(linear_network(), flags) == 0
    said = served().artefact.manifest.preprocessing["image"]
    rule = Resize.parse(said, SIDE, SIDE)
    assert (rule.mode, rule.resize_to, rule.filter) == ("shorter_side", 12, "bicubic")
    assert (rule.crop_offset, rule.long_side, rule.background) == ("down", "nearest", (1, 2, 3))


def rows_baked_in() -> onnx.ModelProto:
    """A network that reshapes to one row, as exports with a fixed batch often do."""
    model = linear_network(rows=1)
    del model.graph.node[1]
    target = numpy_helper.from_array(np.array([1, 192], np.int64), "one_row")
    model.graph.initializer.append(target)
    model.graph.node.insert(1, helper.make_node("Reshape", ["numbers", "one_row"], ["flat"]))
    return model


def unknown_operator() -> onnx.ModelProto:
    model = linear_network()
    model.graph.node[0].op_type = "Shuffle"
    return model


def answers_nan() -> onnx.ModelProto:
    return linear_network(matrix=np.full((192, CLASSES), np.nan, np.float32))


def three_outputs() -> onnx.ModelProto:
    model = linear_network()
    for name in ("flat", "logits"):
        model.graph.output.append(helper.make_tensor_value_info(name, FLOAT, ["rows", None]))
    return model


REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto | bytes], str, int, str]] = {
    "not an ONNX file": (lambda: b"hello", IMAGES, 1, "cannot be read as an ONNX model"),
    "an empty file": (lambda: b"", IMAGES, 1, "without a single node"),
    "an unknown operator": (unknown_operator, IMAGES, 3, "ONNX Runtime cannot load the model"),
    "a future opset": (lambda: linear_network(version=99), IMAGES, 3, "cannot load the model"),
    "an old opset": (lambda: linear_network(version=6), IMAGES, 3, "opset 6; 7 is the oldest"),
    "another size": (linear_network, IMAGES + " --image-size 9", 3, "height 8, but --image-size"),
    "rows baked in": (rows_baked_in, IMAGES, 3, "dynamic batch axis"),
    "NaN": (answers_nan, IMAGES, 3, "NaN or infinite"),
    "scores for places": (
        lambda: linear_network(ending="spread"),
        IMAGES,
        3,
        "[8, classes] for 8 images",
    ),
    "three outputs": (three_outputs, IMAGES, 2, "scores, flat, logits; say which one"),
    "no such output": (linear_network, IMAGES + " --scores-output y", 2, "none is 'y'"),
    "independent scores": (
        lambda: linear_network(ending="sigmoid"),
        IMAGES,
        3,
        "say --scores probabilities",
    ),
    "logits that are not": (
        lambda: linear_network(ending="softmax"),
        IMAGES + " --scores logits",
        3,
        "add up to 1",
    ),
    "probabilities that are not": (
        lambda: linear_network(matrix=weights(9)),
        IMAGES + " --scores probabilities",
        3,
        "holds logits",
    ),
    "bytes that are scaled": (
        lambda: linear_network(kind=TensorProto.UINT8),
        IMAGES,
        3,
        "say --pixels raw",
    ),
    "a sample of numbers": (linear_network, IMAGES + " --sample x.csv", 2, "--sample-dir"),
    "int8 without photos": (
        linear_network,
        IMAGES + " --precision int8",
        2,
        "--calibration-dir belong together",
    ),
    "vnni alone": (linear_network, IMAGES + " --vnni", 2, "--vnni: belongs to"),
    "a tolerance of 2": (linear_network, IMAGES + " --tolerance 2", 2, "--tolerance: expected"),
    "no such photos": (linear_network, IMAGES + " --sample-dir /none", 2, "no such folder"),
    "precision of numbers": (linear_network, "--precision fp16", 2, "only image networks"),
    "photos for numbers": (linear_network, "--sample-dir /none", 2, "belongs to image networks"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What cannot be served is refused now, with the reason, and nothing is left behind."""
    make, flags, code, message = REFUSED[name]
    assert convert(make(), flags) == code
    error = capsys.readouterr().err
    assert message in error, error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("models/**/*.*"))


def test_independent_scores_when_they_are_meant(
    convert: Callable[..., int], served: Callable[[], ServedModel]
) -> None:
    """Scores that do not add up to 1 are served as they are when the user says so."""
    assert convert(linear_network(ending="sigmoid"), IMAGES + " --scores probabilities") == 0
    assert sum(answer(served(), save(picture(), "PNG")).values()) > 1.5


def test_weights_in_files_beside_it(tmp_path: Path, served: Callable[[], ServedModel]) -> None:
    """External data is read at conversion and becomes part of the one file that is served."""
    path = tmp_path / "net.onnx"
    onnx.save(
        linear_network(), path, save_as_external_data=True, location="net.data", size_threshold=0
    )
    flags = ["--name", "net", "--output", str(tmp_path / "models"), *IMAGES.split()]
    assert main(["onnx", str(path), *flags]) == 0
    files = served().artefact.manifest.files
    assert [name for name in files if name.startswith("model")] == ["model.onnx"]


@pytest.mark.parametrize("made_by", ["numbers", "sample"])
def test_any_other_model(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path, made_by: str
) -> None:
    """A model that takes no images is served as rows of numbers."""
    model = network(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [helper.make_tensor_value_info("x", FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.array([[2.0], [3.0]], np.float32), "w")],
    )
    (tmp_path / "sample.jsonl").write_text("[1, 2]\n[3, 4]\n")
    flags = f"--sample {tmp_path / 'sample.jsonl'}" if made_by == "sample" else ""
    assert convert(model, flags) == 0
    assert served().score([[1, 10]], {}) == [[32.0]]


def test_rows_that_depend_on_each_other(
    convert: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A model whose rows change one another must not be batched, so it is refused."""
    model: Any = network(
        [
            helper.make_node("ReduceSum", ["x", "axes"], ["total"], keepdims=1),
            helper.make_node("Div", ["x", "total"], ["y"]),
        ],
        [helper.make_tensor_value_info("x", FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.array([0], np.int64), "axes")],
    )
    assert convert(model, "") == 3
    assert "several rows at once" in capsys.readouterr().err
