"""Puts published or fine-tuned weights into our ResNet, whichever library saved them."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

from converters.deep.weight_files import read_tensors
from converters.errors import UnsupportedModel
from converters.resnet.network import BLOCKS, ResNet
from converters.resnet.weight_names import our_names

_COUNTERS = ".num_batches_tracked"  # training's own; not every file has them


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights under our names; see `read_tensors`."""
    stored = read_tensors(path)
    names = our_names(stored)
    return {names[name]: value for name, value in stored.items()}


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
    if found != expected:
        _check_depth(found, layers, source)
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


def _check_depth(found: Collection[str], layers: int, source: str) -> None:
    """Refuse weights of a ResNet with another number of layers by that number."""
    blocks = tuple(
        len({name.split(".")[1] for name in found if name.startswith(f"layer{stage}.")})
        for stage in range(1, 5)
    )
    for other, its_blocks in BLOCKS.items():
        if other != layers and blocks == its_blocks:
            raise UnsupportedModel(f"{source}: these are weights of a ResNet-{other}")
