"""Weights from files of every library into our ResNet, or the reason why not."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: make test-deep")

from safetensors.torch import save_file  # noqa: E402

from converters.errors import ConverterError, UnsupportedModel  # noqa: E402
from converters.resnet.network import BLOCKS, ResNet, random_resnet  # noqa: E402
from converters.resnet.weights import build_resnet, read_weights  # noqa: E402

Weights = Mapping[str, Any]


@pytest.fixture(scope="module")
def network() -> ResNet:
    """A ResNet-50; read it only."""
    return random_resnet(BLOCKS[50], 4)


def hugging_face(name: str) -> str:
    """What Hugging Face calls one of our weights."""
    part = {"conv": "convolution", "bn": "normalization"}
    if match := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"resnet.embedder.embedder.{part[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"fc\.(\w+)", name):
        return f"classifier.1.{match[1]}"
    if match := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(\w+)", name):
        stage, block, kind, number, field = match.groups()
        start = f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.layer.{int(number) - 1}"
        return f"{start}.{part[kind]}.{field}"
    match = re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.(\d)\.(\w+)", name)
    assert match, name
    stage, block, number, field = match.groups()
    kind = part["bn" if int(number) else "conv"]
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{block}.shortcut.{kind}.{field}"


def without_counters(weights: Weights) -> Weights:
    return {n: w for n, w in weights.items() if not n.endswith("num_batches_tracked")}


LIBRARIES = {
    "torchvision and timm": lambda weights: weights,
    "Hugging Face": lambda weights: {hugging_face(name): w for name, w in weights.items()},
    "several GPUs": lambda weights: {f"module.{name}": w for name, w in weights.items()},
    "without counters": without_counters,
    "a training checkpoint": lambda weights: {"epoch": 3, "state_dict": dict(weights)},
}


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_files_of_every_library(network: ResNet, tmp_path: Path, library: str, ending: str) -> None:
    """Whoever saved the weights, the network answers the same."""
    content = LIBRARIES[library](network.state_dict())
    path = tmp_path / f"weights{ending}"
    if ending == ".safetensors":
        if "state_dict" in content:
            pytest.skip("safetensors files hold tensors only")
        save_file({name: value.contiguous() for name, value in content.items()}, path)
    else:
        torch.save(content, path)
    built = build_resnet(read_weights(path), 50, path.name)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(built(pixels), network(pixels))


def test_fine_tuned_classes(tmp_path: Path) -> None:
    """The number of classes is that of the weights."""
    weights = random_resnet(BLOCKS[50], 4, classes=7).state_dict()
    assert build_resnet(weights, 50, "x").fc.out_features == 7


def changed(network: ResNet, **changes: Any) -> Weights:
    weights = dict(network.state_dict())
    for name, value in changes.items():
        weights.pop(name.replace("__", "."), None)
        if value is not None:
            weights[name.replace("__", ".")] = value
    return weights


def test_weights_of_another_network(network: ResNet) -> None:
    """The first difference is named: depth, missing and unknown names, shapes."""
    with torch.device("meta"):
        deeper = ResNet(BLOCKS[101]).state_dict()
    cases = [
        (deeper, "x: these are weights of a ResNet-101"),
        (changed(network, layer1__0__conv2__weight=None), "lacks layer1.0.conv2.weight"),
        (changed(network, head__weight=torch.zeros(1)), "has unknown head.weight"),
        (
            changed(network, conv1__weight=torch.zeros(64, 3, 3, 3)),
            r"conv1.weight: expected the shape \[64, 3, 7, 7\], got \[64, 3, 3, 3\]",
        ),
        ({"a": torch.zeros(1)}, r"not the weights of a ResNet-50: lacks .* more"),
    ]
    for weights, message in cases:
        with pytest.raises(UnsupportedModel, match=message):
            build_resnet(weights, 50, "x")


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.write_text, (self.target, "harm")


def test_code_in_a_file_never_runs(tmp_path: Path) -> None:
    """A .pth with more than weights in it is refused, and its code does not run."""
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.zeros(1), "x": Payload(tmp_path / "harm")}, path)
    with pytest.raises(UnsupportedModel, match="reading it could run code"):
        read_weights(path)
    assert not (tmp_path / "harm").exists()


DAMAGED: dict[str, tuple[str, bytes, type[ConverterError], str]] = {
    "another ending": ("w.onnx", b"", UnsupportedModel, "a file of weights that ends in"),
    "an empty .pth": ("w.pth", b"", ConverterError, "not a sound file of weights"),
    "a text as .pth": ("w.pth", b"hello world", ConverterError, "not a sound file of weights"),
    "an empty .safetensors": ("w.safetensors", b"", ConverterError, "not a sound"),
    "a text as .safetensors": ("w.safetensors", b"hello world", ConverterError, "not a sound"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """A file that is not what its ending says is refused with its name."""
    file, content, error, message = DAMAGED[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(error, match=message) as refused:
        read_weights(tmp_path / file)
    assert file in str(refused.value)


def test_cut_files(network: ResNet, tmp_path: Path) -> None:
    """A download that stopped is refused."""
    save_file({"a": torch.zeros(1000)}, tmp_path / "w.safetensors")
    torch.save({"a": torch.zeros(1000)}, tmp_path / "w.pth")
    for path in (tmp_path / "w.safetensors", tmp_path / "w.pth"):
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(ConverterError, match="not a sound"):
            read_weights(path)


@pytest.mark.parametrize("content", [{}, {"epoch": 1}, [torch.zeros(1)]], ids=str)
def test_files_without_weights(tmp_path: Path, content: Any) -> None:
    """A checkpoint without named tensors is refused."""
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UnsupportedModel):
        read_weights(tmp_path / "w.pth")
