"""`python -m converters tensorflow`: signatures of SavedModels, in an environment of their own."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

# Read by TensorFlow when it is imported.
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make test-tensorflow")

from converters.__main__ import main  # noqa: E402
from converters.image.sample_images import read_images, synthetic_images  # noqa: E402
from modelserver.model import ServedModel  # noqa: E402
from tests.conftest import SHARED_DATA  # noqa: E402
from tests.converters.memory import require_memory  # noqa: E402
from tests.converters.reduced import (  # noqa: E402
    PRECISIONS,
    check_reduced,
    precision_flags,
    write_turns,
)
from tests.converters.reports import read_costs  # noqa: E402
from tests.modelserver.image_samples import picture, save, to_base64  # noqa: E402

# TensorFlow's and tf2onnx' own matter.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 16
IMAGES = f"--image-size {SIDE} --pixels tf --resize squash --filter bilinear"
IMAGES_224 = "--image-size 224 --resize squash --filter bilinear"
RESNET152_BYTES = 16_000_000_000  # measured: tf2onnx copies the graph many times
PHOTOS = SHARED_DATA / "image" / "photos"


class Photos(tf.Module):
    """Images [N, 16, 16, 3] to scores of 4 classes and the features behind them."""

    def __init__(self, rows: int | None = None) -> None:
        super().__init__()
        random = np.random.default_rng(3)
        self.kernel = tf.Variable(random.normal(size=(3, 3, 3, 8)).astype(np.float32))
        self.last = tf.Variable(random.normal(size=(8, 4)).astype(np.float32))
        images = tf.TensorSpec([rows, SIDE, SIDE, 3], tf.float32, name="images")
        self.serve = tf.function(self.answer, input_signature=[images])

    def answer(self, images: Any) -> dict[str, Any]:
        mapped = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 2, "SAME"))
        features = tf.reduce_mean(mapped, [1, 2])
        return {"scores": tf.nn.softmax(features @ self.last), "features": features}


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., int]:
    """Run the command on a folder; the artefact goes to tmp_path / "models"."""

    def run(flags: str = IMAGES) -> int:
        place = ["--name", "net", "--output", str(tmp_path / "models")]
        return main(["tensorflow", str(tmp_path / "saved"), *place, *flags.split()])

    return run


@pytest.fixture
def served(tmp_path: Path) -> Callable[[], ServedModel]:
    """Load what was published."""
    return lambda: ServedModel.load(tmp_path / "models" / "net" / "1", threads=1)


def store(module: Any, tmp_path: Path, **signatures: Any) -> None:
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=signatures)


@pytest.mark.parametrize("rows", [None, 1])
@pytest.mark.parametrize("signature", ["serving_default", "classify"])
def test_images(
    convert: Callable[..., int],
    served: Callable[[], ServedModel],
    tmp_path: Path,
    signature: str,
    rows: int | None,
) -> None:
    """The server answers what the signature answers, whatever it is called."""
    module = Photos(rows)
    store(module, tmp_path, **{signature: module.serve})
    assert convert(f"{IMAGES} --scores-output scores --signature {signature}") == 0
    small = np.asarray(picture().resize((SIDE, SIDE), 2), np.float32)
    want = module.serve(tf.constant(small[None] / 127.5 - 1))["scores"].numpy()[0]
    (answer,) = served().score([{"b64": to_base64(save(picture(), "PNG"))}], {"top_k": 4})
    got = {found["index"]: found["probability"] for found in answer["classes"]}
    assert [got[n] for n in range(4)] == pytest.approx(list(want), abs=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_reduced_precision(convert: Callable[..., int], tmp_path: Path, precision: str) -> None:
    """A SavedModel in fp16 or int8 is smaller and agrees with fp32 as its gate asks."""
    photos = write_turns(tmp_path / "photos", picture(64, 64))
    module = Photos()
    store(module, tmp_path, serving_default=module.serve)
    assert convert(f"{IMAGES} --scores-output scores" + precision_flags(precision, photos)) == 0
    check_reduced(tmp_path / "models" / "net" / "1", precision)


def test_any_other_model(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path
) -> None:
    """Without --image-size inputs and outputs keep the names of the signature."""

    class Prices(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 2], tf.float32, name="rooms"),
                tf.TensorSpec([None, 1], tf.float32, name="area"),
            ]
        )
        def serve(self, rooms: Any, area: Any) -> dict[str, Any]:
            return {"price": rooms * area, "sum": tf.reduce_sum(rooms, 1)}

    module = Prices()
    store(module, tmp_path, serving_default=module.serve)
    assert convert("") == 0
    (answer,) = served().score([{"rooms": [1, 2], "area": [10]}], {})
    assert answer == {"price": [10.0, 20.0], "sum": 3.0}


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (IMAGES, 2, "say which one scores the classes"),
        (f"{IMAGES} --signature other", 2, "there is no 'other'; the model has serving_default"),
        (f"{IMAGES} --opset 99", 3, "tf2onnx cannot export this model"),
        (f"{IMAGES} --image-size 20 --scores-output scores", 3, "but --image-size says 20"),
    ],
    ids=["two outputs", "no such signature", "an opset of the future", "another size"],
)
def test_refused(
    convert: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: str,
    code: int,
    message: str,
) -> None:
    """What cannot be exported is refused with the reason, and nothing is left behind."""
    module = Photos()
    store(module, tmp_path, serving_default=module.serve)
    assert convert(flags) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("models/**/*.*"))


def test_operators_without_a_counterpart(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator that ONNX does not have is named at conversion, not at the first request."""

    class Roots(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2, 2], tf.float32, name="x")])
        def serve(self, x: Any) -> dict[str, Any]:
            return {"y": tf.linalg.cholesky(x)}

    module = Roots()
    store(module, tmp_path, serving_default=module.serve)
    assert convert("") == 3
    assert "Cholesky" in capsys.readouterr().err


def test_damaged_folders(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is no SavedModel, or a damaged one, is named."""
    (tmp_path / "saved").mkdir()
    assert convert() == 2
    assert "no SavedModel" in capsys.readouterr().err
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"hello")
    assert convert() == 1
    assert "TensorFlow cannot load it" in capsys.readouterr().err


def own_keras() -> Any:
    """Keras on TensorFlow."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras is in use with another backend")
    keras.utils.set_random_seed(1)
    return keras


def sample_flags() -> str:
    """Compare on real photos where there are any; else on the command's synthetic images."""
    return f" --sample-dir {PHOTOS}" if PHOTOS.is_dir() else ""


def numbers(file: bytes) -> np.ndarray:
    """What MobileNetV2 takes, as Keras documents it: FP32 [224, 224, 3] of -1 to 1."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
    pixels = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    scaled: np.ndarray = pixels / 127.5 - 1
    return scaled


def probabilities(model: ServedModel, files: list[bytes]) -> np.ndarray:
    """All that the server answers for N files: FP32 [N, 1000]."""
    rows = np.zeros((len(files), 1000), np.float32)
    answers = model.score([{"b64": to_base64(file)} for file in files], {"top_k": 1000})
    for row, answer in zip(rows, answers, strict=True):
        for found in answer["classes"]:
            row[found["index"]] = found["probability"]
    return rows


def test_mobilenet_v2(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path
) -> None:
    """A SavedModel of Keras' MobileNetV2 is served, and all it answers is what Keras answers."""
    keras = own_keras()
    from tests.converters.keras_networks import settled

    network = settled(keras.applications.MobileNetV2(weights=None), level=1)
    network.export(str(tmp_path / "saved"), verbose=False)
    assert network.count_params() == 3_538_984
    assert convert(f"{IMAGES_224} --pixels tf" + sample_flags()) == 0
    model = served()
    assert model.artefact.manifest.parity["compared"] >= 14
    assert model.artefact.manifest.parity["largest"] <= 1e-5

    files = (read_images(PHOTOS) if PHOTOS.is_dir() else synthetic_images()).files
    want = network.predict_on_batch(np.stack([numbers(file) for file in files]))
    got = probabilities(model, files)
    np.testing.assert_allclose(got, want, atol=1e-5)
    np.testing.assert_allclose(got[:1], probabilities(model, files[:1]), atol=1e-6)
    costs = read_costs(tmp_path / "models" / "net" / "1")
    assert costs["peak_mb"] > costs["size_mb"] > 13
    assert costs["seconds"] > 0
    # An untrained network gives any picture one answer, 1/1000 for each class; this one does not.
    assert len(set(want.argmax(axis=1))) > len(files) / 3
    assert want.max() > 0.02


@pytest.mark.slow
def test_resnet152(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path
) -> None:
    """A SavedModel of ResNet152, with random weights, exports with parity on photos and serves."""
    require_memory(RESNET152_BYTES)
    own_keras().applications.ResNet152(weights=None).export(str(tmp_path / "saved"), verbose=False)
    assert convert(f"{IMAGES_224} --pixels caffe" + sample_flags()) == 0
    manifest = served().artefact.manifest
    assert manifest.parity["largest"] <= 1e-5
    assert manifest.parity["compared"] >= 14
    costs = read_costs(tmp_path / "models" / "net" / "1")
    assert costs["peak_mb"] > costs["size_mb"] > 240
    assert costs["seconds"] > 0
