"""Reads the tables of a Stack Exchange dump row by row, in constant memory at any size.

A table is one XML file: a root element, and in it one empty `<row .../>` for each record, all
values in attributes. Anything else is refused, so neither a damaged nor a hostile file can grow in
memory: no DTD (entity bombs need one), no nesting, no endless row.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.parsers import expat

from converters.errors import ConverterError, UsageError
from converters.progress import Progress

Row = Mapping[str, str]
"""One record: column name to text; a column without a value is left out by the dump."""

POSTS = "Posts.xml"
POST_LINKS = "PostLinks.xml"

_CHUNK_BYTES = 1 << 18
# Posts end at 30,000 characters, six bytes each when every one is escaped; this is far beyond.
_MAX_ROW_BYTES = 1 << 24


def find_table(folder: Path, name: str) -> Path:
    """Return the path of a table of an unpacked dump.

    Args:
        folder: the dump.
        name: the table's usual file name; upper and lower case do not matter.

    Raises:
        UsageError: the folder does not exist.
        ConverterError: the table is not in it; the message says what is.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: expected the folder of an unpacked Stack Exchange dump")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        if path.name.lower() == name.lower():
            return path
    raise ConverterError(f"{folder}: {name} is missing; {_advice(name, files)}")


def _advice(name: str, files: list[Path]) -> str:
    archives = [path.name for path in files if path.suffix == ".7z"]
    if archives:
        return f"unpack the dump first: 7z x {archives[0]}"
    why = f"both {POSTS} and {POST_LINKS} are needed"
    if name == POST_LINKS:
        why = "it says which question is a duplicate of which, and nothing can stand in for it"
    found = ", ".join(path.name for path in files[:8]) or "an empty folder"
    return f"{why}. Found {found}"


def read_rows(path: Path, root: str, label: str) -> Iterator[Row]:
    """Yield the rows of a table in file order.

    Args:
        path: the table.
        root: name of its root element, such as "posts".
        label: what the progress bar says; it counts bytes.

    Raises:
        ConverterError: the file is damaged or no such table; the message has file and line.
    """
    parser = _RowParser(path, root)
    with path.open("rb") as file, Progress(label, path.stat().st_size) as progress:
        while chunk := file.read(_CHUNK_BYTES):
            yield from parser.feed(chunk)
            progress.advance(len(chunk))
        yield from parser.feed(b"", final=True)


class _RowParser:
    """Collects the rows of the bytes it is fed, and refuses what is no table."""

    def __init__(self, path: Path, root: str) -> None:
        self._path = path
        self._root = root
        self._depth = 0
        self._rows: list[Row] = []
        self._bytes_since_row = 0
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, chunk: bytes, final: bool = False) -> list[Row]:
        """Return the rows that end in this piece of the file."""
        self._rows = []
        try:
            self._parser.Parse(chunk, final)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code) or "damaged"
            raise self._damaged(f"not well-formed XML ({reason})") from error
        except (LookupError, ValueError) as error:  # the encoding that the file declares
            raise self._damaged(f"cannot be decoded ({error})") from error
        self._bytes_since_row = 0 if self._rows else self._bytes_since_row + len(chunk)
        if self._bytes_since_row > _MAX_ROW_BYTES:
            raise self._damaged(f"no row ends within {_MAX_ROW_BYTES:,} bytes")
        return self._rows

    def _start(self, name: str, attributes: Row) -> None:
        if self._depth == 0 and name != self._root:
            raise self._damaged(f"expected the table <{self._root}>, found <{name}>")
        if self._depth == 1:
            if name != "row":
                raise self._damaged(f"expected <row>, found <{name}>")
            self._rows.append(attributes)
        elif self._depth > 1:
            raise self._damaged(f"expected a row without content, found <{name}> in it")
        self._depth += 1

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _refuse_doctype(self, *_declaration: object) -> None:
        raise self._damaged("has a DOCTYPE, which no dump has and which could be an attack")

    def _damaged(self, problem: str) -> ConverterError:
        line = self._parser.CurrentLineNumber
        return ConverterError(
            f"{self._path}: line {line}: {problem}; download or unpack the dump again"
        )
