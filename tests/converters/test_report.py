"""Reports: the same facts for a terminal, for a page and for a program."""

from converters.report import Report


def example() -> Report:
    report = Report("Converted")
    report.section("Parity", {"compared": 3, "largest": 1.23456789e-7})
    report.table("Worst", [{"text": "a | b\nc", "rank": 2}, {"text": "x" * 200, "rank": 10}])
    report.table("Nothing", [])
    return report


def test_text_is_aligned() -> None:
    """A terminal gets columns; numbers are rounded, breaks folded, long texts cut."""
    lines = example().to_text().splitlines()
    assert "  compared  3" in lines
    assert "  largest   1.235e-07" in lines
    assert any(line.startswith("  a | b c") and line.endswith("2") for line in lines)
    assert max(map(len, lines)) < 120
    assert "  (none)" in lines


def test_markdown_tables_are_whole() -> None:
    """A cell with a bar or a line break does not break the table."""
    assert "| a \\| b c | 2 |" in example().to_markdown().splitlines()


def test_json_keeps_every_digit() -> None:
    """A program reads exact numbers, not rounded ones."""
    assert example().to_json()["Parity"]["largest"] == 1.23456789e-7
