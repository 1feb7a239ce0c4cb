"""Reads values.yaml together with its comments."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_COMMENT = re.compile(r" *# -- (?P<meaning>.*?)(?: @schema (?P<rules>\{.*\}))?")
_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z0-9]+):.*")


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value: where it stands, its default, what it means, what it may be."""

    path: tuple[str, ...]
    default: Any
    meaning: str
    rules: Mapping[str, Any]


def read_values(file: Path) -> list[Value]:
    """List the values that have a comment, in the order of the file.

    Raises:
        ValueError: a value has no comment.
    """
    text = file.read_text()
    defaults = yaml.safe_load(text)
    values = [
        Value(path, _lookup(defaults, path), comment["meaning"], _rules(comment))
        for path, comment in _commented_keys(text)
    ]
    undocumented = set(_leaves(defaults, ())) - {value.path for value in values}
    undocumented = {path for path in undocumented if not _below(path, values)}
    if undocumented:
        raise ValueError(f"{file}: no comment: {sorted(map('.'.join, undocumented))}")
    return values


def _commented_keys(text: str) -> Iterator[tuple[tuple[str, ...], "re.Match[str]"]]:
    """Pair each key that stands below a comment with it; the path follows from the indent."""
    path: list[str] = []
    comment: re.Match[str] | None = None
    for line in text.splitlines():
        if key := _KEY.fullmatch(line):
            path[len(key["indent"]) // 2 :] = [key["key"]]
            if comment:
                yield tuple(path), comment
        comment = _COMMENT.fullmatch(line)


def _rules(comment: "re.Match[str]") -> Mapping[str, Any]:
    rules: Mapping[str, Any] = yaml.safe_load(comment["rules"] or "{}")
    return rules


def _lookup(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values[key]
    return values


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path


def _below(path: tuple[str, ...], values: list[Value]) -> bool:
    """Whether a documented value holds this one."""
    return any(path[: len(value.path)] == value.path for value in values)
