"""Tables of cases: changes of values, and what the rendered objects then say at some paths."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.charts.engines import Rendered

ABSENT = object()
"""Expected where there must be nothing."""


@dataclass(frozen=True)
class Case:
    """One row: an id, the changed values, and path -> expected value."""

    name: str
    changes: dict[str, Any]
    expected: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


def cases(*rows: Case) -> pytest.MarkDecorator:
    """Parametrise a test with rows, named by their ids."""
    assert len({row.name for row in rows}) == len(rows), "two rows have one name"
    return pytest.mark.parametrize("case", rows, ids=lambda row: row.name)


def check(render: Callable[..., Rendered], case: Case) -> None:
    """Render a row and compare every path."""
    rendered = render(case.changes, **case.options)
    for path, expected in case.expected.items():
        assert look(rendered, path) == expected, path


def look(rendered: Rendered, path: str) -> Any:
    """What stands at a path.

    Paths begin with `pod`, `server` (its container), `env`, or the kind of the only such object;
    then come keys, with "[...]" for a key that holds dots or for a place in a list.
    """
    root, *keys = re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", path)
    head = "".join(root)
    if head in ("pod", "server", "env"):
        value: Any = getattr(rendered, head)
    elif not rendered.all(head):
        return ABSENT
    else:
        value = rendered.one(head)
    for bracketed, plain in keys:
        key: Any = bracketed or plain
        if isinstance(value, list):
            key = int(key)
            found = key < len(value)
        else:
            found = key in value
        if not found:
            return ABSENT
        value = value[key]
    return value
