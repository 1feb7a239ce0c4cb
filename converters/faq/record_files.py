"""Opens files of records, JSON lines or the reference's tables, and yields one dict a record.

Tables are tab-separated, plain or gzipped. Those with a header name their columns (Id, AnswerId,
Text0, ...); those without are the reference implementation's source tables, whose columns are
known by position: Id, AnswerId, Text0, CreationDate for questions; Id, Text0 for answers.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.errors import ConverterError

_HEADERLESS = {2: ("Id", "Text0"), 3: ("Id", "AnswerId", "Text0"), 4: ("Id", "AnswerId", "Text0")}
_FIELDS = {"Id": "id", "AnswerId": "answer_id", "Text0": "text"}
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it was read.

    Args:
        where: file and line, for messages.
        values: field to value.
        is_table: whether it comes from a table, where AnswerId links questions with each other.
    """

    where: str
    values: dict[str, Any]
    is_table: bool = False

    def fail(self, problem: str) -> ConverterError:
        """An error that names the place."""
        return ConverterError(f"{self.where}: {problem}")


def read_rows(path: str | Path) -> Iterator[Row]:
    """Yield the records of a file, by its name: .tsv and .tsv.gz are tables, all else JSON lines.

    Raises:
        ConverterError: the file cannot be read, or a line is not a record.
    """
    file = Path(path)
    is_table = file.name.endswith((".tsv", ".tsv.gz"))
    opener: Any = gzip.open if file.name.endswith(".gz") else open
    try:
        # Line ends stay as they are: a table's quoted cell may hold some.
        with opener(file, "rt", encoding="utf-8-sig", newline="") as lines:
            yield from (_table_rows if is_table else _json_rows)(file, lines)
    except UnicodeDecodeError as error:
        raise ConverterError(
            f"{file}: expected UTF-8 text: {error.reason}; save it as UTF-8, for example with "
            f"iconv -f latin1 -t utf-8"
        ) from error
    except OSError as error:
        raise ConverterError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise ConverterError(f"{file}: cannot be read: {error}") from error


def _json_rows(file: Path, lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        where = f"{file}:{number}"
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConverterError(
                f"{where}: expected one JSON object a line (files named .tsv or .tsv.gz are read "
                f"as tables): {error}"
            ) from error
        if not isinstance(values, dict):
            raise ConverterError(f"{where}: expected one JSON object a line, got {_short(values)}")
        yield Row(where, values)


def _table_rows(file: Path, lines: Iterable[str]) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(lines, delimiter="\t")
    columns: tuple[str, ...] = ()
    try:
        for cells in reader:
            where = f"{file}:{reader.line_num}"
            if not columns:
                columns = _columns(where, cells)
                if cells[0] == columns[0]:
                    continue
            if cells:
                yield Row(where, _table_values(where, columns, cells), is_table=True)
    except csv.Error as error:
        raise ConverterError(f"{file}:{reader.line_num}: not a table: {error}") from error


def _columns(where: str, cells: list[str]) -> tuple[str, ...]:
    """Take the header, or the columns that a table without one is known to have."""
    if "Id" in cells:
        if cells[0] != "Id" or "Text0" not in cells:
            raise ConverterError(f"{where}: expected the columns Id and Text0, got {cells}")
        return tuple(cells)
    if len(cells) not in _HEADERLESS:
        raise ConverterError(
            f"{where}: expected 2 to 4 tab-separated cells or a header, got {len(cells)}"
        )
    return _HEADERLESS[len(cells)]


def _table_values(where: str, columns: tuple[str, ...], cells: list[str]) -> dict[str, Any]:
    if len(cells) < len(columns):
        raise ConverterError(f"{where}: expected {len(columns)} cells, got {len(cells)}")
    named = {
        _FIELDS[name]: cell for name, cell in zip(columns, cells, strict=False) if name in _FIELDS
    }
    for name in ("id", "answer_id"):
        if named.get(name, "").isdecimal():
            named[name] = int(named[name])  # type: ignore[assignment]
    return dict(named)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
