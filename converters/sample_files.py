"""Reads sample inputs: CSV with a header, JSON lines, or a NumPy array."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters.errors import ConverterError, UsageError

Columns = dict[str, list[Any]]
"""Column name to its N values, as the file has them: CSV values are texts."""

MATRIX = "x"
"""Name of the only input when the sample has no column names."""

_LARGEST_FIELD = 2**31 - 1


def read_sample(path: Path) -> Columns:
    """Read a sample.

    Args:
        path: .csv with a header line; .jsonl with an object, a text or a list of numbers on
            each line; or .npy with an array [N] or [N, columns].

    Returns:
        Named columns. Samples without names have the single column `x`, whose values are texts
        or rows of numbers.

    Raises:
        UsageError: there is no such file, or its suffix is another one.
        ConverterError: the file is damaged, empty, or its rows differ in form.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_json_lines, ".npy": _read_array}
    if path.suffix not in readers:
        raise UsageError(f"{path}: expected a file that ends with {', '.join(readers)}")
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        columns = readers[path.suffix](path)
    except (ValueError, csv.Error, OSError) as error:
        raise ConverterError(f"{path}: {error}") from error
    if not columns or not all(columns.values()):
        raise ConverterError(f"{path}: holds no rows")
    return columns


def _read_csv(path: Path) -> Columns:
    csv.field_size_limit(_LARGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        if len(set(header)) != len(header) or "" in header:
            raise ValueError("the header line must name every column, each name once")
        rows = [row for row in reader if row]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"row {number}: expected {len(header)} values, got {len(row)}")
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _read_json_lines(path: Path) -> Columns:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error}") from error
    if rows and isinstance(rows[0], dict):
        return _columns_of(rows)
    return {MATRIX: rows}


def _columns_of(rows: Sequence[Any]) -> Columns:
    names = list(rows[0])
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or row.keys() != rows[0].keys():
            raise ValueError(f"object {number}: expected the fields {', '.join(names)}")
    return {name: [row[name] for row in rows] for name in names}


def _read_array(path: Path) -> Columns:
    array = np.load(path, allow_pickle=False)
    if array.ndim not in (1, 2):
        raise ValueError(f"expected an array with one or two axes, got the shape {array.shape}")
    return {MATRIX: array.tolist()}
