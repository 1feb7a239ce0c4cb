"""What a conversion tells its user: printed at the end and stored in the artefact."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelserver.artefact import Draft

REPORT_JSON = "report.json"
REPORT_MARKDOWN = "report.md"


class Report:
    """Sections of facts and tables, in the order they were added.

    Args:
        title: the first line.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[tuple[str, Any]] = []

    def section(self, heading: str, facts: Mapping[str, Any]) -> None:
        """Add named facts."""
        self._parts.append((heading, dict(facts)))

    def table(self, heading: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows that all have the same columns."""
        self._parts.append((heading, [dict(row) for row in rows]))

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values: heading to facts or rows."""
        return {"title": self.title, **dict(self._parts)}

    def to_text(self) -> str:
        """The report for a terminal."""
        lines = [self.title]
        for heading, content in self._parts:
            lines += ["", heading]
            lines += _aligned(content) if isinstance(content, dict) else _columns(content)
        return "\n".join(lines) + "\n"

    def to_markdown(self) -> str:
        """The report as a Markdown page."""
        lines = [f"# {self.title}"]
        for heading, content in self._parts:
            rows = content
            if isinstance(content, dict):
                rows = [{"": name, "value": value} for name, value in content.items()]
            lines += ["", f"## {heading}", "", *_markdown_table(rows)]
        return "\n".join(lines) + "\n"


def write_report(draft: Draft, report: Report) -> None:
    """Store the report in an artefact."""
    draft.write_json(REPORT_JSON, report.to_json())
    draft.write(REPORT_MARKDOWN, report.to_markdown())


def _aligned(facts: Mapping[str, Any]) -> list[str]:
    width = max(map(len, facts), default=0)
    return [f"  {name:<{width}}  {_show(value)}" for name, value in facts.items()]


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["  (none)"]
    cells = [list(rows[0]), *[[_show(value) for value in row.values()] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _markdown_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return ["(none)"]
    escaped = [[_show(value).replace("|", "\\|") for value in row.values()] for row in rows]
    return [
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---|" * len(rows[0]),
        *["| " + " | ".join(row) + " |" for row in escaped],
    ]


def _show(value: Any) -> str:
    """A value in a few characters: numbers rounded, line breaks folded, long texts cut."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(str(value).split())
    return text if len(text) <= 100 else text[:97] + "..."
