"""The manifest: every field missing, unknown or of another form is refused by name."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from modelserver.errors import ArtefactError
from modelserver.manifest import SCHEMA_VERSION, Manifest, TensorSpec, check_model_name

GOOD: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "name": "sum",
    "version": 1,
    "task": "tensor",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
    "tolerances": {"absolute": 1e-4, "relative": 0},
    "created": "2026-01-01T00:00:00Z",
    "batching": {"max_batch_rows": 32},
    "runtime": {"session_options": {"session.disable_quant_qdq": "1"}},
    "preprocessing": {"max_characters": 10},
    "parameters": {"top_k": 5},
    "parity": {"compared": 2},
    "evaluation": {},
    "libraries": {"numpy": "2.0"},
    "files": {"model.onnx": {"bytes": 3, "sha256": "0" * 64}},
}

NOT_TEXTS = [None, 1, "", [], {}]
NOT_OBJECTS = [None, 1, "x", [], True]
WRONG: dict[str, list[Any]] = {
    "name": [*NOT_TEXTS, "Sum", "-a", ".a", "a/b", "..", "a b", "é", "a" * 64, "a\n"],
    "version": [None, 0, -1, 1.0, "1", True, 2**31, [1]],
    "task": NOT_TEXTS,
    "tolerances": [
        *NOT_OBJECTS,
        {},
        {"absolute": 0},
        {"absolute": 0, "relative": 0, "more": 0},
        {"absolute": -1, "relative": 0},
        {"absolute": 0, "relative": 1.1},
        {"absolute": "0", "relative": 0},
        {"absolute": True, "relative": 0},
        {"absolute": None, "relative": 0},
    ],
    "created": NOT_TEXTS,
    "batching": [
        *NOT_OBJECTS,
        {},
        {"max_batch_rows": -1},
        {"max_batch_rows": 1.0},
        {"max_batch_rows": True},
        {"max_batch_rows": 1, "more": 1},
    ],
    "runtime": [*NOT_OBJECTS, {"more": {}}, {"session_options": {"x": 1}}, {"session_options": 1}],
    "preprocessing": NOT_OBJECTS,
    "parameters": NOT_OBJECTS,
    "parity": NOT_OBJECTS,
    "evaluation": NOT_OBJECTS,
    "libraries": [*NOT_OBJECTS, {"numpy": 2}, {"numpy": None}],
    "files": [
        *NOT_OBJECTS,
        {"a": None},
        {"a": {"bytes": 1}},
        {"a": {"bytes": 1, "sha256": "0" * 64, "more": 1}},
        {"a": {"bytes": -1, "sha256": "0" * 64}},
        {"a": {"bytes": 1.0, "sha256": "0" * 64}},
        {"a": {"bytes": True, "sha256": "0" * 64}},
        {"a": {"bytes": 1, "sha256": "0" * 63}},
        {"a": {"bytes": 1, "sha256": "A" * 64}},
        {"a": {"bytes": 1, "sha256": "0" * 64 + "\n"}},
        {"a": {"bytes": 1, "sha256": None}},
    ],
}
for field in ("inputs", "outputs"):
    spec = GOOD[field][0]
    WRONG[field] = [
        *NOT_OBJECTS,
        [],
        {},
        [None],
        [{}],
        [{**spec, "more": 1}],
        [{**spec, "name": ""}],
        [{**spec, "name": 1}],
        [{**spec, "datatype": None}],
        [{**spec, "shape": None}],
        [{**spec, "shape": "3"}],
        [{**spec, "shape": [-2]}],
        [{**spec, "shape": [1.0]}],
        [{**spec, "shape": [True]}],
        [{**spec, "shape": ["rows"]}],
    ]
WRONG_ROWS = [
    pytest.param(field, value, id=f"{field}-{value!r}"[:60])
    for field, values in WRONG.items()
    for value in values
]


def read(change: Callable[[dict[str, Any]], object]) -> Manifest:
    values = copy.deepcopy(GOOD)
    change(values)
    return Manifest.from_json(json.dumps(values))


def test_every_field_is_read_and_written() -> None:
    """A manifest survives being read and written, with every field where it was."""
    manifest = Manifest.from_json(json.dumps(GOOD))
    assert json.loads(manifest.to_json()) == GOOD
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.inputs == (TensorSpec("x", "FP32", (-1, 3)),)


def test_text_is_stable() -> None:
    """The same manifest gives the same bytes, for people to compare."""
    manifest = Manifest.from_json(json.dumps(GOOD))
    assert manifest.to_json().startswith('{\n  "schema_version": 1,\n  "name": "sum",\n')
    assert manifest.to_json() == manifest.to_json()


@pytest.mark.parametrize(
    "field", [field for field in GOOD if field not in ("schema_version", "runtime")]
)
def test_missing_field(field: str) -> None:
    """A missing field is refused by name."""
    with pytest.raises(ArtefactError, match=f"^manifest.json: missing field {field}$"):
        read(lambda values: values.pop(field))


def test_optional_field() -> None:
    """A manifest that says nothing of the runtime asks for nothing special."""
    assert read(lambda values: values.pop("runtime")).session_options == {}


def test_unknown_field() -> None:
    """A field this server does not know could matter, so it is refused."""
    with pytest.raises(ArtefactError, match=r"^manifest\.json: unknown field later$"):
        read(lambda values: values.update(later=1))


@pytest.mark.parametrize(("field", "value"), WRONG_ROWS)
def test_wrong_form(field: str, value: Any) -> None:
    """A field of another form is refused by name."""
    with pytest.raises(ArtefactError, match=rf"^manifest\.json: {field}: "):
        read(lambda values: values.update({field: value}))


def test_table_is_complete() -> None:
    """Every field has wrong forms in the table above."""
    assert WRONG.keys() | {"schema_version"} == GOOD.keys()


@pytest.mark.parametrize("version", [None, 0, 2, "1", 1.0, True, [1]])
def test_schema_version(version: Any) -> None:
    """A schema that this server does not read is refused before anything else is looked at."""
    text = json.dumps({"schema_version": version, "unknown": 1})
    with pytest.raises(ArtefactError, match=r"schema_version: this server reads 1, got"):
        Manifest.from_json(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"schema_version": NaN}'],
    ids=lambda text: repr(text[:10]),
)
def test_no_manifest(text: bytes) -> None:
    """Anything but one strict JSON object is refused."""
    with pytest.raises(ArtefactError, match=r"^manifest\.json: "):
        Manifest.from_json(text)


@pytest.mark.parametrize("name", ["a", "0", "a.b-c_d", "a" * 63, "1.0"])
def test_model_name(name: str) -> None:
    """Names fit a URL path, a folder and a label without escaping."""
    assert check_model_name(name) == name
