"""Generated files are what their generators write; run the command of the message if not."""

import json
import re
from typing import Any

import pytest
import yaml

from charts.generate import CHART, README, SCHEMA, readme, schema
from charts.values_comments import read_values
from tests.charts.engines import Helm4
from tests.charts.golden import FOLDER, REMAKE, golden
from tests.charts.scenarios import EXAMPLES

STALE = "stale: run `python -m charts.generate`"


def test_schema() -> None:
    """values.schema.json follows from values.yaml and the settings of the server."""
    assert SCHEMA.read_text() == schema(), STALE


def test_readme() -> None:
    """The table of the chart's README follows from values.yaml."""
    assert README.read_text() == readme(), STALE


@pytest.mark.parametrize("name", EXAMPLES)
def test_golden(helm4: Helm4, name: str) -> None:
    """What an example renders is committed, so that a review sees what a change does."""
    assert (FOLDER / f"{name}.yaml").read_text() == golden(helm4, name), f"stale: run `{REMAKE}`"


def test_no_golden_without_example() -> None:
    """Nothing is left of examples that are gone."""
    assert {path.stem for path in FOLDER.glob("*.yaml")} == EXAMPLES.keys()


def objects(schema: Any) -> Any:
    """Every schema of an object with known keys, wherever it stands."""
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for part in schema.values():
            yield from objects(part)


def test_schema_is_strict() -> None:
    """No object with known keys takes an unknown one, the root included."""
    found = list(objects(json.loads(SCHEMA.read_text())))
    assert len(found) > 40
    assert all(part.get("additionalProperties") is False for part in found)


def test_every_value_has_a_comment() -> None:
    """A value without a comment is refused by the generator; comments are sentences in one line."""
    for value in read_values(CHART / "values.yaml"):
        assert value.meaning, value.path
        assert not value.meaning.endswith("."), value.path
        assert "@schema" not in value.meaning, value.path


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\n", "no comment: ['a']"), ("# -- x\na: 1\nb:\n  c: 1\n", "no comment: ['b.c']")],
)
def test_value_without_comment(tmp_path: Any, text: str, message: str) -> None:
    """The generator names a value that nobody explained."""
    file = tmp_path / "values.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_values(file)


def test_templates_use_documented_values() -> None:
    """No template reads a value that values.yaml does not have."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    texts = "".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    for path in set(re.findall(r"(?:\$v|\.Values)((?:\.[a-zA-Z0-9]+)+)", texts)):
        value = defaults
        for key in path.strip(".").split("."):
            if not isinstance(value, dict) or not value:
                break  # below a value that is a map of the user's
            optional = path in (".resources.limits", ".updateStrategy.type")
            assert key in value or optional, path
            value = value.get(key, {})


def test_size() -> None:
    """The chart can be read in an evening: limits of lines, one kind in each file."""
    templates = list((CHART / "templates").rglob("*.yaml"))
    lines = sum(len(path.read_text().splitlines()) for path in templates)
    assert lines <= 800
    assert len((CHART / "values.yaml").read_text().splitlines()) <= 320
    for path in templates:
        kinds = set(re.findall(r"^kind: (\w+)", path.read_text(), re.MULTILINE))
        assert len(kinds) <= 1, path
