"""Writes docs/settings.md from the settings table: `python -m docs.generate_settings`."""

import dataclasses
import html
from pathlib import Path
from typing import Any

from modelserver.settings import Settings, environment_name, flag_name

PAGE = Path(__file__).with_name("settings.md")

_HEAD = """\
# Settings

Every setting is a flag of `python -m modelserver` and an environment variable; the flag wins. The
unit of a number is the end of its name. A name that is not in this table (any other variable that
begins with `MODELSERVER_` included), a value out of bounds and settings that contradict each other
end the process with exit code 2 before anything else happens.

| flag | variable | default | takes | meaning |
|---|---|---|---|---|
"""

_TAIL = """
This page is written by `python -m docs.generate_settings` from `modelserver/settings.py`.
"""


def page() -> str:
    """The text of docs/settings.md."""
    return _HEAD + "".join(map(_line, dataclasses.fields(Settings))) + _TAIL


def _line(row: "dataclasses.Field[Any]") -> str:
    cells = (
        f"`{flag_name(row.name)}`",
        f"`{environment_name(row.name)}`",
        f"`{str(row.default).lower() if isinstance(row.default, bool) else row.default}`",
        _takes(row),
        html.escape(row.metadata["meaning"], quote=False),  # <name> would be taken for a tag
    )
    return f"| {' | '.join(cells)} |\n"


def _takes(row: "dataclasses.Field[Any]") -> str:
    """Say which values a setting accepts."""
    if row.metadata["choices"]:
        return " or ".join(f"`{choice}`" for choice in row.metadata["choices"])
    if row.metadata["least"] is not None:
        kind = "whole number" if row.type is int else "number"
        return f"{kind}, {row.metadata['least']} to {row.metadata['most']}"
    return "`true` or `false`" if row.type is bool else "text"


if __name__ == "__main__":
    PAGE.write_text(page())
