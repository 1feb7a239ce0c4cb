"""Reads the names of a model's classes from the files in which they are usually kept.

n02127052 lynx, catamount               one line a class, with WordNet ids (synset.txt)
lynx                                    one line a class
{"287": ["n02127052", "lynx"], ...}     index to WordNet id and name (imagenet_class_index.json)
["lynx", ...]                           a list of names
{"id2label": {"287": "lynx"}}           Hugging Face's config.json
{"labels": [{"label": "lynx", "wnid": "n02127052"}, ...]}    the artefact's own labels.json
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.errors import ConverterError

Labels = list[dict[str, str]]
"""One {"label", and "wnid" when there is one} for each class, in the order of the output."""

_SYNSET_LINE = re.compile(r"(n\d{8})\s+(\S.*)")


def read_labels(path: Path) -> Labels:
    """Read a file of any of the forms above.

    Raises:
        ConverterError: the file cannot be read, or has none of the forms.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConverterError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    try:
        labels = _from_json(json.loads(text)) if _is_json(text) else _from_lines(text)
    except (ValueError, RecursionError) as error:
        raise ConverterError(f"{path}: {error}") from error
    if not labels:
        raise ConverterError(f"{path}: no labels in it")
    return labels


def numbered(count: int) -> Labels:
    """Names for classes that nobody has named: their numbers."""
    return [{"label": str(index)} for index in range(count)]


def check_count(labels: Labels, classes: int, source: str) -> None:
    """Refuse a list that is longer or shorter than the model's output.

    Args:
        labels: the names.
        classes: the length of the output.
        source: where the names came from, for the message.
    """
    if len(labels) == classes:
        return
    hint = ""
    if classes == len(labels) + 1:
        hint = "; models of TensorFlow often have a first class for the background: add a line"
    raise ConverterError(f"{source}: {len(labels)} labels for a model of {classes} classes{hint}")


def _is_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "["))


def _from_lines(text: str) -> Labels:
    # Not splitlines(): that also splits at characters which may stand inside a name.
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    labels = []
    for number, line in enumerate(lines, start=1):
        if not line:
            raise ValueError(f"line {number}: empty, so the classes after it would be off by one")
        match = _SYNSET_LINE.fullmatch(line)
        labels.append({"label": match[2], "wnid": match[1]} if match else {"label": line})
    return labels


def _from_json(value: Any) -> Labels:
    if isinstance(value, Mapping) and "id2label" in value:
        value = value["id2label"]
    if isinstance(value, Mapping) and value.keys() == {"labels"}:
        value = value["labels"]
    if isinstance(value, Mapping):
        value = _by_index(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("expected a list of labels, or an object of index to label")
    return [_label(index, entry) for index, entry in enumerate(value)]


def _by_index(value: Mapping[str, Any]) -> list[Any]:
    """The values of {"0": ..., "1": ...} in order of their numbers, none missing."""
    wanted = [str(index) for index in range(len(value))]
    missing = [index for index in wanted if index not in value]
    if missing:
        raise ValueError(f"expected the keys 0 to {len(value) - 1}, but {missing[0]} is missing")
    return [value[index] for index in wanted]


def _label(index: int, entry: Any) -> dict[str, str]:
    """One class: a name, a pair of WordNet id and name, or an object of both."""
    if isinstance(entry, Mapping) and "label" in entry:
        entry = [entry["wnid"], entry["label"]] if "wnid" in entry else entry["label"]
    names = entry if isinstance(entry, list) else [entry]
    if not 1 <= len(names) <= 2 or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"class {index}: expected a name, or [WordNet id, name], got {entry!r}")
    return {"label": names[-1], **({"wnid": names[0]} if len(names) == 2 else {})}
