"""The manifest of an artefact: what `manifest.json` may say, checked field by field."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelserver.errors import ArtefactError, Undecodable
from modelserver.jsontext import decode_json

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
_MAX_VERSION = 2**31 - 1

ANY_SIZE = -1
"""In a shape: this axis may have any length."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, datatype (of the Open Inference Protocol, such as FP32) and shape of one tensor."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @classmethod
    def parse(cls, value: object) -> "TensorSpec":
        """Read a spec from JSON; raises ValueError saying what was expected."""
        row = _object(value, {"name", "datatype", "shape"})
        shape = row["shape"]
        if not isinstance(shape, list) or not all(_is_dimension(size) for size in shape):
            raise ValueError(f"shape: expected a list of sizes >= -1, got {shape!r}")
        return cls(_text(row["name"]), _text(row["datatype"]), tuple(shape))


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size in bytes and SHA-256 (lower-case hex) of one file of the artefact."""

    bytes: int
    sha256: str

    @classmethod
    def parse(cls, value: object) -> "FileRecord":
        """Read a record from JSON; raises ValueError saying what was expected."""
        row = _object(value, {"bytes", "sha256"})
        size, digest = row["bytes"], row["sha256"]
        if type(size) is not int or size < 0:
            raise ValueError(f"bytes: expected a size, got {size!r}")
        if not isinstance(digest, str) or not _SHA256_PATTERN.fullmatch(digest):
            raise ValueError(f"sha256: expected 64 lower-case hex digits, got {digest!r}")
        return cls(size, digest)


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far a golden number may be off: |got - want| <= absolute + relative * |want|."""

    absolute: float
    relative: float

    @classmethod
    def parse(cls, value: object) -> "Tolerances":
        """Read tolerances from JSON; raises ValueError saying what was expected."""
        row = _object(value, {"absolute", "relative"})
        for name, number in row.items():
            if type(number) not in (int, float) or not 0 <= number <= 1:
                raise ValueError(f"{name}: expected a number from 0 to 1, got {number!r}")
        return cls(float(row["absolute"]), float(row["relative"]))


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything `manifest.json` says; docs/artefact.md explains each field."""

    name: str
    version: int
    task: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tolerances: Tolerances
    created: str
    batching: Mapping[str, int] = field(default_factory=dict)
    runtime: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)

    @property
    def session_options(self) -> Mapping[str, str]:
        """How ONNX Runtime should run the model, beside what the server decides itself."""
        return self.runtime.get("session_options", {})

    @property
    def has_rows(self) -> bool:
        """Whether the first axis of every tensor counts rows that are scored independently."""
        if not self.batching.get("max_batch_rows", 1):
            return False
        return all(spec.shape[:1] == (ANY_SIZE,) for spec in (*self.inputs, *self.outputs))

    def to_json(self) -> str:
        """The text of `manifest.json`: stable order, two-space indent."""
        values = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Read `manifest.json`.

        Raises:
            ArtefactError: the text is not JSON, has another schema version, or a field is
                missing, unknown or of the wrong form.
        """
        try:
            values = decode_json(text, MANIFEST_NAME)
        except Undecodable as error:
            raise ArtefactError(str(error)) from error
        if not isinstance(values, dict):
            raise ArtefactError(f"{MANIFEST_NAME}: expected a JSON object")
        version = values.pop("schema_version", None)
        if version != SCHEMA_VERSION or type(version) is not int:
            raise ArtefactError(
                f"{MANIFEST_NAME}: schema_version: this server reads {SCHEMA_VERSION}, "
                f"got {version!r}"
            )
        values = {**_OPTIONAL, **values}
        _check_names(values, set(_PARSERS))
        parsed = {}
        for name, parse in _PARSERS.items():
            try:
                parsed[name] = parse(values[name])
            except (ValueError, KeyError) as error:
                raise ArtefactError(f"{MANIFEST_NAME}: {name}: {error}") from error
        return cls(**parsed)


def check_model_name(name: object) -> str:
    """Return a valid model name, or raise ValueError with the rule."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"expected 1 to 63 of a-z 0-9 . _ - beginning with a letter or digit, got {name!r}"
        )
    return name


def _check_names(values: Mapping[str, Any], known: set[str]) -> None:
    for problem, names in (
        ("missing", known - values.keys()),
        ("unknown", values.keys() - known),
    ):
        if names:
            raise ArtefactError(f"{MANIFEST_NAME}: {problem} field {', '.join(sorted(names))}")


def _object(value: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise ValueError(f"expected an object with {', '.join(sorted(names))}, got {value!r}")
    return value


def _is_dimension(size: object) -> bool:
    return type(size) is int and size >= ANY_SIZE


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a text, got {value!r}")
    return value


def _version(value: object) -> int:
    if type(value) is not int or not 0 < value <= _MAX_VERSION:
        raise ValueError(f"expected a positive whole number, got {value!r}")
    return value


def _tensors(value: object) -> tuple[TensorSpec, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("expected a list of at least one tensor")
    return tuple(TensorSpec.parse(row) for row in value)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {value!r}")
    return value


def _texts(value: object) -> Mapping[str, str]:
    return {name: _text(text) for name, text in _mapping(value).items()}


def _batching(value: object) -> Mapping[str, int]:
    rows = _object(value, {"max_batch_rows"})["max_batch_rows"]
    if type(rows) is not int or rows < 0:
        raise ValueError(f"max_batch_rows: expected a whole number >= 0, got {rows!r}")
    return {"max_batch_rows": rows}


def _runtime(value: object) -> Mapping[str, Mapping[str, str]]:
    runtime = _mapping(value)
    if runtime.keys() - {"session_options"}:
        raise ValueError(f"expected an object with session_options, got {value!r}")
    return {name: _texts(options) for name, options in runtime.items()}


def _files(value: object) -> Mapping[str, FileRecord]:
    return {name: FileRecord.parse(row) for name, row in _mapping(value).items()}


_OPTIONAL: dict[str, Any] = {"runtime": {}}
"""Fields that a manifest may leave out, and what that means."""

_PARSERS: dict[str, Callable[[object], Any]] = {
    "name": check_model_name,
    "version": _version,
    "task": _text,
    "inputs": _tensors,
    "outputs": _tensors,
    "tolerances": Tolerances.parse,
    "created": _text,
    "batching": _batching,
    "runtime": _runtime,
    "preprocessing": _mapping,
    "parameters": _mapping,
    "parity": _mapping,
    "evaluation": _mapping,
    "libraries": _texts,
    "files": _files,
}
