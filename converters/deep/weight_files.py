"""Reads files of named tensors: .safetensors, or what torch.save made of a state_dict."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from converters.errors import ConverterError, UnsupportedModel, reason
from converters.frameworks import load_framework

_ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
_CONTAINERS = ("state_dict", "model_state_dict", "model")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file, or a .pth that holds tensors and nothing that could run.

    Raises:
        ConverterError: the file cannot be read.
        UnsupportedModel: it would need pickle, which can run code, or has another ending.
    """
    if path.suffix not in _ENDINGS:
        raise UnsupportedModel(f"{path}: expected a file of weights that ends in {_ENDINGS}")
    try:
        stored = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    except OSError as error:
        raise ConverterError(f"{path}: cannot be read: {reason(error)}") from error
    # Training checkpoints keep the weights beside epochs, optimizers and such.
    for name in _CONTAINERS:
        inner = stored.get(name)
        if isinstance(inner, Mapping):
            stored = dict(inner)
    weights = {name: value for name, value in stored.items() if isinstance(value, Tensor)}
    if not weights:
        raise UnsupportedModel(f"{path}: no weights in it, only {', '.join(list(stored)[:5])}")
    return weights


def _safetensors(path: Path) -> dict[str, object]:
    library = load_framework("safetensors.torch", "torch")
    try:
        return dict(library.load_file(path))
    except FileNotFoundError:
        raise
    except Exception as error:  # its own error type is not public
        raise ConverterError(f"{path}: not a sound .safetensors file: {reason(error)}") from error


def _checkpoint(path: Path) -> dict[str, object]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsupportedModel(
            f"{path}: holds more than weights, and reading it could run code; save "
            "model.state_dict() instead, best as .safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ConverterError(f"{path}: not a sound file of weights: {reason(error)}") from error
    if not isinstance(stored, Mapping):
        raise UnsupportedModel(f"{path}: expected named weights, got a {type(stored).__name__}")
    return {str(name): value for name, value in stored.items()}
