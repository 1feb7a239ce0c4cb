"""Loads published or fine-tuned weights into our ResNet, whichever library saved them."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from converters.errors import ConverterError, UnsupportedModel
from converters.frameworks import load_framework
from converters.resnet import BLOCKS, ResNet
from converters.weight_names import our_names

_COUNTERS = ".num_batches_tracked"  # training's own; not every file has them
_CONTAINERS = ("state_dict", "model_state_dict", "model")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file, or a .pth that holds tensors and nothing else, under our names.

    Raises:
        ConverterError: the file cannot be read.
        UnsupportedModel: it would need pickle, which can run code, or has another ending.
    """
    if path.suffix not in (".safetensors", ".pth", ".pt", ".bin"):
        raise UnsupportedModel(f"{path}: expected a .safetensors or .pth file of weights")
    try:
        stored = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    except OSError as error:
        raise ConverterError(f"{path}: cannot be read: {error}") from error
    # Training checkpoints keep the weights beside epochs, optimizers and such.
    for name in _CONTAINERS:
        inner = stored.get(name)
        if isinstance(inner, Mapping):
            stored = dict(inner)
    weights = {name: value for name, value in stored.items() if isinstance(value, Tensor)}
    if not weights:
        raise UnsupportedModel(f"{path}: no weights in it, only {', '.join(list(stored)[:5])}")
    names = our_names(weights)
    return {names[name]: value for name, value in weights.items()}


def build_resnet(weights: Mapping[str, Tensor], layers: int, source: str) -> ResNet:
    """Make the network that the weights belong to.

    Args:
        weights: tensors under our names.
        layers: 50, 101 or 152.
        source: where they come from, for messages.

    Raises:
        UnsupportedModel: they are those of another network; the message names the first
            difference.
    """
    classes = weights["fc.weight"].shape[0] if "fc.weight" in weights else 1
    with torch.device("meta"):
        model = ResNet(BLOCKS[layers], classes)
    _check(model.state_dict(), weights, layers, source)
    model = model.to_empty(device="cpu")
    zero = torch.zeros((), dtype=torch.int64)
    full = {name: weights.get(name, zero) for name in model.state_dict()}
    model.load_state_dict(full)
    return model.eval()


def _check(
    wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor], layers: int, source: str
) -> None:
    found = {name for name in weights if not name.endswith(_COUNTERS)}
    expected = {name for name in wanted if not name.endswith(_COUNTERS)}
    blocks = tuple(
        len({name.split(".")[1] for name in found if name.startswith(f"layer{stage}.")})
        for stage in range(1, 5)
    )
    for other, its_blocks in BLOCKS.items():
        if other != layers and blocks == its_blocks and found - expected | expected - found:
            raise UnsupportedModel(f"{source}: these are weights of a ResNet-{other}")
    for problem, names in (("lacks", expected - found), ("has unknown", found - expected)):
        if names:
            shown = ", ".join(sorted(names)[:3])
            raise UnsupportedModel(
                f"{source}: not the weights of a ResNet-{layers}: {problem} {shown}"
                + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            )
    for name in sorted(expected):
        if wanted[name].shape != weights[name].shape:
            raise UnsupportedModel(
                f"{source}: {name}: expected the shape {list(wanted[name].shape)}, "
                f"got {list(weights[name].shape)}"
            )


def _safetensors(path: Path) -> dict[str, object]:
    library = load_framework("safetensors.torch", "torch")
    try:
        return dict(library.load_file(path))
    except FileNotFoundError:
        raise
    except Exception as error:  # its own error type is not public
        raise ConverterError(f"{path}: not a sound .safetensors file: {error}") from error


def _checkpoint(path: Path) -> dict[str, object]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsupportedModel(
            f"{path}: holds more than weights, and reading it could run code; save "
            "model.state_dict() instead, best as .safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ConverterError(f"{path}: not a sound file of weights: {error}") from error
    if not isinstance(stored, Mapping):
        raise UnsupportedModel(f"{path}: expected named weights, got a {type(stored).__name__}")
    return {str(name): value for name, value in stored.items()}
