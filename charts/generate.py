"""Writes what follows from values.yaml and the settings table: `python -m charts.generate`.

- charts/scoring/values.schema.json: the type of each default, its `@schema` rules, and the server's
  settings; no object takes a key that is not known.
- the table in charts/scoring/README.md: the comment of each value and its default.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from charts.schema_definitions import DEFINITIONS, server_definition
from charts.values_comments import Value, read_values

CHART = Path(__file__).with_name("scoring")
SCHEMA = CHART / "values.schema.json"
README = CHART / "README.md"

_TABLE = re.compile(r"(?<=<!-- values -->\n).*?(?=<!-- end of values -->)", re.DOTALL)
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}


def schema() -> str:
    """The text of values.schema.json."""
    root = _section(read_values(CHART / "values.yaml"), ())
    # An umbrella chart passes `global` to every chart below it, and often has `enabled` there.
    root["properties"] |= {"global": {"type": "object"}, "enabled": {"type": "boolean"}}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of scoring"}
    definitions = {"definitions": {**DEFINITIONS, "server": server_definition()}}
    return json.dumps({**head, **root, **definitions}, indent=1) + "\n"


def readme() -> str:
    """The text of the chart's README.md."""
    rows = "".join(map(_row, read_values(CHART / "values.yaml")))
    table = f"| value | default | meaning |\n|---|---|---|\n{rows}"
    return _TABLE.sub(lambda _: table, README.read_text())


def _section(values: list[Value], path: tuple[str, ...]) -> dict[str, Any]:
    """The schema of the mapping at `path`; null is refused unless it is a value of its own."""
    inside = [value for value in values if value.path[: len(path)] == path]
    keys = dict.fromkeys(value.path[len(path)] for value in inside)
    properties = {key: _property(inside, (*path, key)) for key in keys}
    required = [key for key in keys if not _nullable(properties[key])]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _property(values: list[Value], path: tuple[str, ...]) -> dict[str, Any]:
    leaf = next((value for value in values if value.path == path), None)
    if leaf is None:
        return _section(values, path)
    kind = {} if "$ref" in leaf.rules else {"type": _TYPES.get(type(leaf.default), "null")}
    return {"description": leaf.meaning, **kind, **leaf.rules}


def _nullable(rules: dict[str, Any]) -> bool:
    named = DEFINITIONS.get(rules.get("$ref", "").rpartition("/")[2], rules)
    return "null" in named.get("type", ())


def _row(value: Value) -> str:
    default = yaml.safe_dump(value.default, default_flow_style=True, width=1000).strip()
    default = default.removesuffix("...").strip().replace("|", "\\|")
    return f"| `{'.'.join(value.path)}` | `{default}` | {value.meaning} |\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema())
    README.write_text(readme())
