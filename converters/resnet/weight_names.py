"""Renames the weights of a ResNet from other libraries' names to ours (PyTorch's own).

ours, torchvision, timm   layer3.0.conv2.weight, layer3.0.downsample.1.bias, fc.weight
Hugging Face              resnet.encoder.stages.2.layers.0.layer.1.convolution.weight,
                          resnet.encoder.stages.2.layers.0.shortcut.normalization.bias,
                          classifier.1.weight
"""

import re
from collections.abc import Callable, Iterable

_WRAPPERS = ("module.", "model.")  # left over from training on several GPUs, or in a framework

_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"resnet\.embedder\.embedder\.(convolution|normalization)\.(\w+)"),
        lambda m: f"{_part(m[1])}1.{m[2]}",
    ),
    (
        re.compile(
            r"resnet\.encoder\.stages\.(\d)\.layers\.(\d+)"
            r"\.layer\.(\d)\.(convolution|normalization)\.(\w+)"
        ),
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.{_part(m[4])}{int(m[3]) + 1}.{m[5]}",
    ),
    (
        re.compile(
            r"resnet\.encoder\.stages\.(\d)\.layers\.(\d+)"
            r"\.shortcut\.(convolution|normalization)\.(\w+)"
        ),
        lambda m: f"layer{int(m[1]) + 1}.{m[2]}.downsample.{int(m[3] == 'normalization')}.{m[4]}",
    ),
    (re.compile(r"classifier\.1\.(\w+)"), lambda m: f"fc.{m[1]}"),
)


def our_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name to ours; a name that no rule knows stays as it is."""
    names = list(names)
    for wrapper in _WRAPPERS:
        if names and all(name.startswith(wrapper) for name in names):
            return {name: _rename(name.removeprefix(wrapper)) for name in names}
    return {name: _rename(name) for name in names}


def _rename(name: str) -> str:
    for pattern, rename in _RULES:
        if match := pattern.fullmatch(name):
            return rename(match)
    return name


def _part(name: str) -> str:
    return "conv" if name == "convolution" else "bn"
