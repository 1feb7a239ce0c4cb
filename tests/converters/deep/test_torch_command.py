"""`python -m converters torch`: any module, from a callable to a served model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: make test-deep")

from safetensors.torch import save_file  # noqa: E402

from converters.__main__ import main  # noqa: E402
from converters.deep.torch_export import TorchOriginal  # noqa: E402
from modelserver.artefact import Artefact  # noqa: E402
from modelserver.model import ServedModel  # noqa: E402
from tests.modelserver.image_samples import picture, save, to_base64  # noqa: E402

MODULES = """
import torch
from torch import nn

class Photos(nn.Module):
    \"\"\"Images [N, 3, 16, 16] to logits [N, 4]; some layers differ in training.\"\"\"

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
        )

    def forward(self, x):
        return self.layers(x)

class Last(Photos):
    \"\"\"The same with the channels last.\"\"\"

    def forward(self, x):
        return super().forward(x.permute(0, 3, 1, 2))

class Named(Photos):
    \"\"\"Answers by name, as Hugging Face's models do.\"\"\"

    def forward(self, x):
        return {"logits": super().forward(x), "size": x.shape[0], "mean": x.mean((1, 2, 3))}

class Prices(nn.Module):
    \"\"\"Two inputs, two outputs, no images.\"\"\"

    def forward(self, features, rooms):
        return features.sum(1, keepdim=True) * rooms, features * 2

class Branches(nn.Module):
    \"\"\"Decides by its input's values, which no exporter can follow.\"\"\"

    def forward(self, x):
        return x.mean((2, 3)) if x.sum() > 0 else -x.mean((2, 3))

class Words(nn.Module):
    def forward(self, x):
        return "a cat"

class Narrow(nn.Module):
    def forward(self, x):
        return nn.functional.linear(x, torch.ones(2, 5))

def broken():
    raise RuntimeError("no such backbone")

def number():
    return 3

shared = Photos
NOT_CALLABLE = 3
"""
IMAGES = "--image-size 16 --pixels imagenet --resize squash --filter bilinear"


@pytest.fixture
def convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in a folder that has a module `nets`; it goes by another name each time."""
    name = f"nets_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(target: str, flags: str = IMAGES) -> int:
        target = target.replace("nets:", f"{name}:")
        return main(["torch", target, "--name", "net", *flags.split()])

    return run


@pytest.fixture
def served(tmp_path: Path) -> Callable[[], ServedModel]:
    """Load what was published."""
    return lambda: ServedModel.load(tmp_path / "models" / "net" / "1", threads=1)


def scores(model: ServedModel) -> list[float]:
    (answer,) = model.score([{"b64": to_base64(save(picture(), "PNG"))}], {"top_k": 4})
    ordered = sorted(answer["classes"], key=lambda found: found["index"])
    return [found["probability"] for found in ordered]


def photos_by_hand(tmp_path: Path, seed: int = 1) -> list[float]:
    """What `Photos` answers for `picture`, without any of our code."""
    space: dict[str, Any] = {"__name__": "by_hand"}
    exec(MODULES, space)
    module = space["Photos"]().eval()
    if seed != 1:
        module.load_state_dict(other_weights(seed))
    small = np.asarray(picture().resize((16, 16), 2)).transpose(2, 0, 1) / 255
    mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    numbers = torch.tensor(((small - mean) / std)[None], dtype=torch.float32)
    with torch.inference_mode():
        return module(numbers).softmax(1)[0].tolist()


def other_weights(seed: int) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "by_hand"}
    exec(MODULES, space)
    generator = torch.Generator().manual_seed(seed)
    state = space["Photos"]().state_dict()
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in state.items()
    }


@pytest.mark.parametrize("exporter", ["dynamo", "script"])
@pytest.mark.parametrize("target", ["nets:Photos", "nets:shared", "nets:Last", "nets:Named"])
def test_images(
    convert: Callable[..., int],
    served: Callable[[], ServedModel],
    tmp_path: Path,
    target: str,
    exporter: str,
) -> None:
    """Classes, functions, channels last and named outputs, by both exporters, answer the same."""
    flags = f"{IMAGES} --exporter {exporter}"
    flags += " --layout nhwc" if target == "nets:Last" else ""
    flags += " --scores-output logits" if target == "nets:Named" else ""
    assert convert(target, flags) == 0
    assert scores(served()) == pytest.approx(photos_by_hand(tmp_path), abs=1e-5)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_weights(
    convert: Callable[..., int], served: Callable[[], ServedModel], tmp_path: Path, ending: str
) -> None:
    """--weights replaces what the callable made."""
    path = tmp_path / f"weights{ending}"
    (torch.save if ending == ".pth" else save_file)(other_weights(7), path)
    assert convert("nets:Photos", f"{IMAGES} --weights {path}") == 0
    assert scores(served()) == pytest.approx(photos_by_hand(tmp_path, 7), abs=1e-5)
    assert Artefact.open(tmp_path / "models" / "net" / "1").manifest.parity["largest"] < 1e-5


def test_several_inputs_and_outputs(
    convert: Callable[..., int], served: Callable[[], ServedModel]
) -> None:
    """A module without images is served by its inputs' names."""
    assert convert("nets:Prices", "--input features:float32:3 --input rooms:float32:1") == 0
    (answer,) = served().score([{"features": [1, 2, 3], "rooms": [2]}], {})
    assert answer == {"output_0": [12.0], "output_1": [2.0, 4.0, 6.0]}


def test_report(convert: Callable[..., int], tmp_path: Path) -> None:
    """The report names the callable, the parameters and where the weights came from."""
    assert convert("nets:Photos") == 0
    report = json.loads((tmp_path / "models" / "net" / "1" / "report.json").read_text())
    assert ":Photos, 276 parameters" in report["Original"]["module"]
    assert report["Original"]["weights"] == "of the callable"
    content = (tmp_path / "models" / "net" / "1" / "model.onnx").read_bytes()
    assert str(tmp_path).encode() not in content


@pytest.mark.parametrize("exporter", ["dynamo", "script"])
def test_exporting_does_not_change_the_original(exporter: str) -> None:
    """The original answers in evaluation mode before and after, or parity would mean nothing."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    rows = {"x": np.array([[1, 2], [3, 9]], np.float32)}
    original = TorchOriginal(module, rows)
    before = original.forward(rows)["output"]
    original.export(20, exporter)
    np.testing.assert_array_equal(original.forward(rows)["output"], before)
    assert not any(part.training for part in module.modules())


WRONG: dict[str, tuple[str, str, int, str]] = {
    "no callable": ("nets", IMAGES, 2, "expected MODULE:CALLABLE"),
    "no such module": ("nowhere:Net", IMAGES, 2, "cannot be imported"),
    "no such name": ("nets:Nothing", IMAGES, 2, "cannot be imported"),
    "not callable": ("nets:NOT_CALLABLE", IMAGES, 2, "expected a callable, got int"),
    "a callable that fails": ("nets:broken", IMAGES, 3, "RuntimeError: no such backbone"),
    "a callable of something else": ("nets:number", IMAGES, 3, "torch.nn.Module, got int"),
    "no inputs": ("nets:Photos", "", 2, "--image-size, or --input"),
    "inputs of two kinds": ("nets:Photos", f"{IMAGES} --input x:float32:3", 2, "has only one"),
    "a type that is not there": ("nets:Prices", "--input x:text:3", 2, "NAME:TYPE:SIZES"),
    "a size in words": ("nets:Prices", "--input x:float32:a", 2, "NAME:TYPE:SIZES"),
    "the wrong number of inputs": ("nets:Prices", "--input x:float32:3", 3, "cannot run on x"),
    "another size": ("nets:Narrow", IMAGES, 3, "cannot run on images [2, 3, 16, 16]"),
    "no tensors": ("nets:Words", IMAGES, 3, "to answer tensors, got a str"),
    "control by values": ("nets:Branches", IMAGES, 3, "torch.onnx cannot export this module"),
    "no such weights": ("nets:Photos", f"{IMAGES} --weights no.pth", 2, "no.pth: no such file"),
    "an opset of the future": ("nets:Photos", f"{IMAGES} --opset 99", 3, "not opset 99; say"),
    "an opset of the past": ("nets:Photos", f"{IMAGES} --opset 5 --exporter script", 3, ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What cannot be exported is refused with the reason, and nothing is left behind."""
    target, flags, code, message = WRONG[name]
    assert convert(target, flags) == code
    error = capsys.readouterr().err
    assert message in error, error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("models/**/*.*"))


def test_weights_of_another_module(
    convert: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights that do not fit are refused in PyTorch's words."""
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    assert convert("nets:Photos", f"{IMAGES} --weights w.safetensors") == 3
    assert "not this module's weights" in capsys.readouterr().err
