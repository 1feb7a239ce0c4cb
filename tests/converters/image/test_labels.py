"""Names of classes, from every form of file in which they are usually kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from converters.errors import ConverterError
from converters.image.labels import check_count, numbered, read_labels

LYNX = {"label": "lynx, catamount", "wnid": "n02127052"}
PLAIN = [{"label": "cat"}, {"label": "dog"}]

FORMS: dict[str, tuple[str, list[dict[str, str]]]] = {
    "synset.txt": (
        "n02127052 lynx, catamount\nn01440764 tench\n",
        [LYNX, {"label": "tench", "wnid": "n01440764"}],
    ),
    "lines": ("cat\ndog\n\n", PLAIN),
    "lines of Windows": ("\ufeffcat\r\ndog\r\n", PLAIN),
    "a line separator in a name": ("cat\u2028x\ndog", [{"label": "cat\u2028x"}, {"label": "dog"}]),
    "imagenet_class_index.json": ('{"0": ["n02127052", "lynx, catamount"]}', [LYNX]),
    "ten in order of numbers": (
        json.dumps({str(n): f"class {n}" for n in reversed(range(12))}),
        [{"label": f"class {n}"} for n in range(12)],
    ),
    "a list": ('["cat", "dog"]', PLAIN),
    "Hugging Face's config.json": ('{"id2label": {"0": "cat", "1": "dog"}, "x": 1}', PLAIN),
    "the artefact's own": (
        json.dumps({"labels": [LYNX, {"label": "cat"}]}),
        [LYNX, {"label": "cat"}],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path: Path, name: str) -> None:
    """Every usual form of file gives names in the order of the output."""
    text, labels = FORMS[name]
    path = tmp_path / "labels"
    path.write_bytes(text.encode())
    assert read_labels(path) == labels


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no labels"),
    "an empty line": (b"cat\n\ndog\n", "line 2: empty, so the classes after it"),
    "not UTF-8": (b"\xff\xfe", "cannot be read as UTF-8"),
    "broken JSON": (b'["cat"', "labels: "),
    "a number missing": (b'{"0": "a", "2": "b"}', "keys 0 to 1, but 1 is missing"),
    "a number as a name": (b"[1]", "class 0: expected a name"),
    "three names": (b'[["a", "b", "c"]]', "class 0: expected a name"),
    "an empty name": (b'["a", ""]', "class 1: expected a name"),
    "deep nesting": (b"[" * 100_000, "labels: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(tmp_path: Path, name: str) -> None:
    """A file of another form is refused with its name and the place."""
    content, message = WRONG[name]
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(ConverterError, match=message) as refused:
        read_labels(path)
    assert str(path) in str(refused.value)


def test_count() -> None:
    """As many names as classes; the class that TensorFlow adds is named in the message."""
    labels: list[Any] = numbered(3)
    assert [label["label"] for label in labels] == ["0", "1", "2"]
    check_count(labels, 3, "x")
    with pytest.raises(ConverterError, match=r"x: 3 labels for a model of 5 classes$"):
        check_count(labels, 5, "x")
    with pytest.raises(ConverterError, match="first class for the background: add a line"):
        check_count(labels, 4, "x")
