"""Samples are read from CSV, JSON lines and NumPy files; damage is named by row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import ConverterError, UsageError
from converters.sample_files import read_sample

GOOD = {
    "columns": ("s.csv", "a,b\n1,x\n2,\n", {"a": ["1", "2"], "b": ["x", ""]}),
    "quotes": ("s.csv", 'a\n"x, ""y""\nz"\n', {"a": ['x, "y"\nz']}),
    "byte order mark": ("s.csv", "\ufeffa\n1\n", {"a": ["1"]}),
    "empty lines": ("s.csv", "a,b\n\n1,2\n\n", {"a": ["1"], "b": ["2"]}),
    "long field": ("s.csv", "a\n" + "x" * 200_000 + "\n", {"a": ["x" * 200_000]}),
    "objects": (
        "s.jsonl",
        '{"a": 1, "b": "x"}\n\n{"b": "y", "a": 2}\n',
        {"a": [1, 2], "b": ["x", "y"]},
    ),
    "texts": ("s.jsonl", '"x"\n"y"\n', {"x": ["x", "y"]}),
    "rows": ("s.jsonl", "[1, 2]\n[3, 4.5]\n", {"x": [[1, 2], [3, 4.5]]}),
}

BAD = {
    "no rows": ("s.csv", "a,b\n", "holds no rows"),
    "nothing": ("s.csv", "", "holds no rows"),
    "short row": ("s.csv", "a,b\n1,2\n3\n", "row 2: expected 2 values, got 1"),
    "name twice": ("s.csv", "a,a\n1,2\n", "each name once"),
    "no name": ("s.csv", "a,\n1,2\n", "must name every column"),
    "not UTF-8": ("s.csv", b"a\n\xff\n", "can't decode"),
    "not JSON": ("s.jsonl", '{"a": 1}\n{"a"\n', "line 2"),
    "other fields": ("s.jsonl", '{"a": 1}\n{"b": 1}\n', "object 2: expected the fields a"),
    "mixed": ("s.jsonl", '{"a": 1}\n[1]\n', "object 2"),
    "no array": ("s.npy", b"123", "s.npy"),
}


@pytest.mark.parametrize(("name", "content", "expected"), GOOD.values(), ids=list(GOOD))
def test_forms(name: str, content: str, expected: Any, tmp_path: Path) -> None:
    """Columns keep their values as the file has them."""
    (tmp_path / name).write_text(content, "utf-8")
    assert read_sample(tmp_path / name) == expected


@pytest.mark.parametrize(
    "array", [np.eye(2), np.array(["x", "y"]), np.arange(3)], ids=["matrix", "texts", "numbers"]
)
def test_arrays(array: np.ndarray, tmp_path: Path) -> None:
    """An array is one input."""
    np.save(tmp_path / "s.npy", array)
    assert read_sample(tmp_path / "s.npy") == {"x": array.tolist()}


@pytest.mark.parametrize(("name", "content", "said"), BAD.values(), ids=list(BAD))
def test_damage(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    """A damaged sample is refused with the file and the place."""
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConverterError, match=said) as caught:
        read_sample(tmp_path / name)
    assert name in str(caught.value)


def test_objects_in_arrays_are_not_loaded(tmp_path: Path) -> None:
    """A .npy file that holds pickled objects is refused: loading them could run code."""
    np.save(tmp_path / "s.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ConverterError, match="allow_pickle=False"):
        read_sample(tmp_path / "s.npy")


def test_images_are_no_samples(tmp_path: Path) -> None:
    """Arrays with more than two axes are refused."""
    np.save(tmp_path / "s.npy", np.zeros((1, 2, 3)))
    with pytest.raises(ConverterError, match="one or two axes"):
        read_sample(tmp_path / "s.npy")


@pytest.mark.parametrize(("name", "said"), [("s.csv", "no such file"), ("s.xlsx", "ends with")])
def test_wrong_files(name: str, said: str, tmp_path: Path) -> None:
    """Missing files and foreign suffixes are a matter of usage."""
    with pytest.raises(UsageError, match=said):
        read_sample(tmp_path / name)
