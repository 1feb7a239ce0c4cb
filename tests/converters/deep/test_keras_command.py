"""`python -m converters keras`: Keras models, with PyTorch doing the arithmetic."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch: make test-deep")
# Read by Keras when it is imported.
os.environ.update(KERAS_BACKEND="torch", KERAS_TORCH_DEVICE="cpu")
keras = pytest.importorskip("keras", reason="needs Keras: make test-deep")

from converters.__main__ import main  # noqa: E402
from modelserver.artefact import Artefact  # noqa: E402
from modelserver.model import ServedModel  # noqa: E402
from tests.conftest import SHARED_DATA  # noqa: E402
from tests.converters.reduced import (  # noqa: E402
    PRECISIONS,
    check_reduced,
    precision_flags,
    write_turns,
)
from tests.converters.reports import read_costs  # noqa: E402
from tests.modelserver.image_samples import picture, save, to_base64  # noqa: E402

# Keras 3.15 with NumPy 2 and PyTorch; its own matter.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

SIDE = 16
IMAGES = f"--image-size {SIDE} --pixels caffe --resize fit --filter lanczos"


def photos_model(side: int | None = SIDE, activation: str | None = "softmax") -> Any:
    """Images [N, H, W, 3] to scores of 4 classes."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((side, side, 3)),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation=activation, kernel_initializer="random_normal"),
        ]
    )


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., int]:
    """Save a model and run the command on its file."""

    def run(model: Any, flags: str = IMAGES, name: str = "net.keras") -> int:
        path = tmp_path / name
        if isinstance(model, bytes):
            path.write_bytes(model)
        elif model is not None:
            model.save(path)
        output = str(tmp_path / "models")
        return main(["keras", str(path), "--name", "net", "--output", output, *flags.split()])

    return run


@pytest.fixture
def served(tmp_path: Path) -> Callable[[], ServedModel]:
    """Load what was published."""
    return lambda: ServedModel.load(tmp_path / "models" / "net" / "1", threads=1)


def scores(model: ServedModel) -> list[float]:
    (answer,) = model.score([{"b64": to_base64(save(picture(64, 64), "PNG"))}], {"top_k": 4})
    ordered = sorted(answer["classes"], key=lambda found: found["index"])
    return [found["probability"] for found in ordered]


@pytest.mark.parametrize("exporter", ["dynamo", "script"])
@pytest.mark.parametrize("activation", ["softmax", None])
def test_images(
    convert: Callable[..., int],
    served: Callable[[], ServedModel],
    activation: str | None,
    exporter: str,
) -> None:
    """Channels last, BGR and Keras' own means: the server answers what Keras answers."""
    model = photos_model(activation=activation)
    assert convert(model, f"{IMAGES} --exporter {exporter}") == 0
    small = np.asarray(picture(64, 64).resize((SIDE, SIDE), 1), np.float32)
    numbers = keras.applications.resnet.preprocess_input(small[None].copy())
    want = keras.ops.convert_to_numpy(model(numbers))[0]
    if activation is None:
        want = np.exp(want - want.max()) / np.exp(want - want.max()).sum()
    assert scores(served()) == pytest.approx(list(want), abs=1e-5)


def test_any_size(convert: Callable[..., int], served: Callable[[], ServedModel]) -> None:
    """A model for images of any size is served at the size of --image-size."""
    assert convert(photos_model(side=None)) == 0
    assert served().artefact.manifest.inputs[0].shape == (-1, SIDE, SIDE, 3)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_older_files(convert: Callable[..., int], served: Callable[[], ServedModel]) -> None:
    """.h5 files are read too."""
    assert convert(photos_model(), name="net.h5") == 0
    assert sum(scores(served())) == pytest.approx(1, abs=1e-5)


def test_several_inputs(convert: Callable[..., int], served: Callable[[], ServedModel]) -> None:
    """A model without images is served by its inputs' names."""
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    model = keras.Model([left, right], keras.layers.add([left, right]))
    assert convert(model, "") == 0
    assert served().score([{"left": [1, 2], "right": [10, 20]}], {}) == [[11.0, 22.0]]


def with_code() -> Any:
    return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])


WRONG: dict[str, tuple[Callable[[], Any], str, int, str]] = {
    "no such file": (lambda: None, IMAGES, 2, "no such file"),
    "not a Keras file": (lambda: b"hello", IMAGES, 3, "Keras cannot load it"),
    "a Lambda layer": (with_code, "", 3, "without code that is not its own"),
    "another size": (photos_model, IMAGES + " --image-size 20", 3, "height 16, but --image-size"),
    "another layout": (photos_model, IMAGES + " --layout nchw", 3, "3 channels in NCHW"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What cannot be exported is refused with the reason, and nothing is left behind."""
    make, flags, code, message = WRONG[name]
    assert convert(make(), flags) == code
    error = capsys.readouterr().err
    assert message in error, error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("models/**/*.*"))


@pytest.mark.slow
def test_resnet152(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path
) -> None:
    """Keras' ResNet152, with random weights, exports with parity on photos and serves."""
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet152(weights=None)
    assert model.count_params() == 60_419_944
    flags = "--image-size 224 --pixels caffe --resize fit --filter lanczos --exporter script"
    photos = SHARED_DATA / "image" / "photos"
    if photos.is_dir():
        flags += f" --sample-dir {photos}"
    assert convert(model, flags) == 0
    manifest = served().artefact.manifest
    assert manifest.parity["largest"] <= 1e-5
    assert manifest.parity["compared"] >= 14
    costs = read_costs(tmp_path / "models" / "net" / "1")
    assert costs["peak_mb"] > costs["size_mb"] > 240
    assert costs["seconds"] > 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_reduced_precision(convert: Callable[..., int], tmp_path: Path, precision: str) -> None:
    """A Keras model in fp16 or int8 is smaller and agrees with fp32 as its gate asks."""
    photos = write_turns(tmp_path / "photos", picture(64, 64))
    assert convert(photos_model(), IMAGES + precision_flags(precision, photos)) == 0
    check_reduced(tmp_path / "models" / "net" / "1", precision)


def test_batches(convert: Callable[..., int], served: Callable[[], ServedModel]) -> None:
    """Images scored together get what each gets alone."""
    assert convert(photos_model()) == 0
    model = served()
    images = [{"b64": to_base64(save(picture(64, 64).rotate(t), "PNG"))} for t in (0, 90, 200)]
    alone = [model.score([image], {})[0]["classes"] for image in images]
    for together, single in zip(model.score(images, {}), alone, strict=True):
        assert [c["index"] for c in together["classes"]] == [c["index"] for c in single]
        probabilities = [c["probability"] for c in together["classes"]]
        assert probabilities == pytest.approx([c["probability"] for c in single], abs=1e-6)
    assert alone[0] != alone[1]


def test_the_artefact_names_the_file(convert: Callable[..., int], tmp_path: Path) -> None:
    """The manifest says which file the model came from, and which libraries made it."""
    assert convert(photos_model()) == 0
    manifest = Artefact.open(tmp_path / "models" / "net" / "1").manifest
    assert manifest.evaluation["source"] == "net.keras"
    assert {"keras", "torch", "onnx"} <= manifest.libraries.keys()
