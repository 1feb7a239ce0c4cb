"""Values files that users start from, and named changes to them."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.charts.engines import CHART, Values

EXAMPLES: dict[str, list[Path]] = {
    "faq-cpu": [CHART / "examples" / "faq-cpu.yaml"],
    "resnet152-gpu": [CHART / "examples" / "resnet152-gpu.yaml"],
    "faq-production-aks": [
        CHART / "examples" / "faq-cpu.yaml",
        CHART / "examples" / "production-aks.yaml",
    ],
    "resnet152-production-aks": [
        CHART / "examples" / "resnet152-gpu.yaml",
        CHART / "examples" / "production-aks.yaml",
    ],
}
"""What the chart's README tells users to install."""

SCENARIOS: dict[str, list[Path]] = {
    **EXAMPLES,
    **{
        path.name.removesuffix("-values.yaml"): [path]
        for path in sorted((CHART / "ci").glob("*-values.yaml"))
    },
}
"""Everything that is rendered and validated by every test of objects."""


def read(files: list[Path]) -> Values:
    """The values of files that are laid over each other, as Helm does it."""
    merged: Values = {}
    for file in files:
        merged = overlay(merged, yaml.safe_load(file.read_text()))
    return merged


def overlay(below: Values, above: Values) -> Values:
    """Lay values over others: maps merge, everything else replaces."""
    merged = deepcopy(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else deepcopy(value)
    return merged


def at(path: str, value: Any) -> Values:
    """`at("image.tag", "1")` is `{"image": {"tag": "1"}}`; a backslash keeps a dot."""
    for key in reversed(path.replace("\\.", "\0").split(".")):
        value = {key.replace("\0", "."): value}
    found: Values = value
    return found


def changed(base: Values, changes: Values) -> Values:
    """`base` with values at dotted paths replaced."""
    for path, value in changes.items():
        base = overlay(base, at(path, value))
    return base


MINIMAL: Values = {
    "image": {"repository": "registry.example.com/scoring"},
    "model": {"name": "faq"},
    "auth": {"keys": {"webshop": "ab" * 32}},
}
"""What a user has to set, and nothing else."""
