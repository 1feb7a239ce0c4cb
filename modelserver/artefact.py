"""Reads, verifies and writes artefact folders; the only module that touches their files.

    <repository>/<name>/<version>/manifest.json, model.onnx, ..., example/request.*, response.json

An artefact is immutable: it is filled in a hidden folder beside its place and renamed last, so a
reader sees all of it or nothing.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from modelserver.errors import ArtefactError, Undecodable
from modelserver.jsontext import decode_json
from modelserver.manifest import MANIFEST_NAME, FileRecord, Manifest

MODEL_NAME = "model.onnx"
GOLDEN_RESPONSE = "example/response.json"
_MAX_MANIFEST_BYTES = 16 * 2**20

# The form of a golden request is told by the ending of its file.
GOLDEN_REQUESTS = {
    "example/request.json": "application/json",
    "example/request.txt": "text/plain",
    "example/request.jpg": "image/jpeg",
    "example/request.png": "image/png",
    "example/request.webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Golden:
    """A request body, its file and content type, and the decoded JSON response it must get."""

    name: str
    content_type: str
    request: bytes
    response: Any


@dataclass(frozen=True, slots=True)
class Artefact:
    """A folder whose manifest has been read; call `verify` before trusting its files."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> "Artefact":
        """Read the manifest of a folder.

        Raises:
            ArtefactError: there is no manifest, or it does not follow the schema.
        """
        path = folder / MANIFEST_NAME
        try:
            _check_inside(folder, path)
            if path.stat().st_size > _MAX_MANIFEST_BYTES:
                raise ArtefactError(f"{path}: larger than {_MAX_MANIFEST_BYTES} bytes")
            text = path.read_bytes()
        except OSError as error:
            raise ArtefactError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            return cls(folder, Manifest.from_json(text))
        except ArtefactError as error:
            raise ArtefactError(f"{folder}/{error}") from error

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL_NAME

    def verify(self) -> None:
        """Compare every file with the manifest.

        Raises:
            ArtefactError: a file is missing, not listed, outside the folder, or has another
                size or SHA-256 than the manifest says.
        """
        for name in (MODEL_NAME, GOLDEN_RESPONSE):
            if name not in self.manifest.files:
                raise ArtefactError(f"{self.folder}/{MANIFEST_NAME}: files: {name} is not listed")
        for name, record in self.manifest.files.items():
            _verify_file(self.folder, name, record)
        unlisted = set(_walk(self.folder)) - self.manifest.files.keys() - {MANIFEST_NAME}
        if unlisted:
            raise ArtefactError(f"{self.folder}/{min(unlisted)}: is not listed in {MANIFEST_NAME}")

    def read_json(self, name: str) -> Any:
        """Decode one JSON file of the artefact.

        Raises:
            ArtefactError: the file is not listed, cannot be read or is not JSON.
        """
        if name not in self.manifest.files:
            raise ArtefactError(f"{self.folder}/{MANIFEST_NAME}: files: {name} is not listed")
        path = self.folder / name
        try:
            return decode_json(path.read_bytes(), str(path))
        except (OSError, Undecodable) as error:
            raise ArtefactError(str(error)) from error

    def golden(self) -> Golden:
        """Read the golden pair.

        Raises:
            ArtefactError: there is not exactly one request of a known form.
        """
        names = [name for name in GOLDEN_REQUESTS if name in self.manifest.files]
        if len(names) != 1:
            raise ArtefactError(
                f"{self.folder}/{MANIFEST_NAME}: files: expected exactly one golden request of "
                f"{', '.join(GOLDEN_REQUESTS)}, got {', '.join(names) or 'none'}"
            )
        request = (self.folder / names[0]).read_bytes()
        return Golden(names[0], GOLDEN_REQUESTS[names[0]], request, self.read_json(GOLDEN_RESPONSE))


@dataclass(frozen=True, slots=True)
class Draft:
    """An artefact being written: a folder nobody else looks at yet."""

    folder: Path

    def write(self, name: str, content: bytes | str) -> Path:
        """Put a file into the draft and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def write_json(self, name: str, value: object) -> Path:
        """Put a value into the draft as JSON and return the file's path."""
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        return self.write(name, text + "\n")

    def seal(self, manifest: Manifest) -> Artefact:
        """Record size and hash of every file, write the manifest and return the artefact."""
        records = {name: _record(self.folder / name) for name in sorted(_walk(self.folder))}
        records.pop(MANIFEST_NAME, None)
        sealed = dataclasses.replace(manifest, files=records)
        self.write(MANIFEST_NAME, sealed.to_json())
        return Artefact.open(self.folder)


@contextlib.contextmanager
def new_artefact(repository: Path, name: str, version: int) -> Iterator[Draft]:
    """Fill a draft in the `with` block; it becomes visible when the block ends without error.

    Raises:
        ArtefactError: the version exists already, or the folder cannot be written.
    """
    target = repository / name / str(version)
    if target.exists():
        raise ArtefactError(f"{target}: exists; artefacts are immutable, so use a new version")
    created = [folder for folder in target.parents if not folder.exists()]  # deepest first
    hidden = None
    try:
        hidden = _make_hidden(target)
        yield Draft(hidden)
        _show(hidden, target)
    except BaseException:
        if hidden is not None:
            shutil.rmtree(hidden, ignore_errors=True)
        for folder in created:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _make_hidden(target: Path) -> Path:
    """Make a folder beside an artefact's place that nobody looks at."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ArtefactError(f"{target}: cannot be written: {error.strerror}") from error


def _show(hidden: Path, target: Path) -> None:
    """Make a filled folder durable, then visible, in this order."""
    try:
        for file in _walk(hidden):
            _flush(hidden / file)
        hidden.chmod(0o755)  # mkdtemp makes it private; a server may run as another user
        hidden.rename(target)
    except OSError as error:
        raise ArtefactError(f"{target}: cannot be written: {error.strerror}") from error


def _verify_file(folder: Path, name: str, record: FileRecord) -> None:
    """Check one listed file: inside the folder, regular, of the right size and hash."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise ArtefactError(f"{folder}/{MANIFEST_NAME}: files: {name!r} is outside the folder")
    path = folder / name
    try:
        _check_inside(folder, path)
        found = _record(path)
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read: {error.strerror}") from error
    if found.bytes != record.bytes:
        raise ArtefactError(f"{path}: expected {record.bytes} bytes, got {found.bytes}")
    if found.sha256 != record.sha256:
        raise ArtefactError(f"{path}: expected SHA-256 {record.sha256}, got {found.sha256}")


def _check_inside(folder: Path, path: Path) -> None:
    """Refuse what is no regular file inside the folder; OSError when there is nothing."""
    if _leads_outside(folder, path):
        raise ArtefactError(f"{path}: is a link to a place outside the folder")
    if not path.is_file():
        raise ArtefactError(f"{path}: is not a file")


def _leads_outside(folder: Path, path: Path) -> bool:
    # Mounted Secrets and ConfigMaps are links, but links that stay inside the folder.
    # realpath, because Path.resolve raises RuntimeError for a link to itself before Python 3.13.
    return not Path(os.path.realpath(path, strict=True)).is_relative_to(os.path.realpath(folder))


def _record(path: Path) -> FileRecord:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(os.fstat(file.fileno()).st_size, digest)


def _walk(folder: Path) -> Iterator[str]:
    """Yield the files below a folder as relative POSIX paths, hidden ones left out.

    A link to a folder outside counts as a file, because nobody has verified what is there.
    """
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if not hidden and (not path.is_dir() or _leads_outside(folder, path)):
            yield relative.as_posix()


def _flush(path: Path) -> None:
    """Make a file durable before the rename shows it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
