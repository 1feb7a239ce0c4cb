"""Pages name only what exists: values of the chart, settings, files, tests and make targets."""

import dataclasses
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelserver.settings import Settings
from tests.conftest import ROOT

CODE = re.compile(r"`([^`\n]+)`")
PAGES = ["aks.md", "images.md", "kubernetes.md", "reference-architecture.md"]
SETTINGS = {row.name for row in dataclasses.fields(Settings)}


@cache
def values() -> Any:
    """The chart's values."""
    return yaml.safe_load((ROOT / "charts" / "scoring" / "values.yaml").read_text())


def is_value(name: str) -> bool:
    """Whether the chart has a value of that path; below `server` stand the server's settings."""
    first, *rest = name.split(".")
    if first == "server" and rest:
        return re.sub(r"([A-Z])", r"_\1", rest[0]).lower() in SETTINGS
    found = values()
    for part in (first, *rest):
        if not isinstance(found, dict) or part not in found:
            return False
        found = found[part]
    return True


def is_test(name: str) -> bool:
    """Whether a test file exists, and the test in it when one is named."""
    path, _, test = name.partition("::")
    file = ROOT / path
    return file.is_file() and (not test or f"def {test}(" in file.read_text())


def spans(page: str) -> list[str]:
    """What a page sets in code type outside its blocks."""
    text = re.sub(r"^```.*?^```", "", (ROOT / "docs" / page).read_text(), flags=re.M | re.S)
    return CODE.findall(text)


@pytest.mark.parametrize("page", PAGES)
def test_values_exist(page: str) -> None:
    """A dotted name that begins like a value of the chart is one."""
    dotted = re.compile(r"[a-z]\w*(\.[a-zA-Z]\w*)+")
    names = {name for name in spans(page) if dotted.fullmatch(name)}
    names = {name for name in names if name.split(".")[0] in {*values(), "server"}}
    assert [name for name in sorted(names) if not is_value(name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_exist(page: str) -> None:
    """A path that begins like one of the project is there; models are the reader's own."""
    heads = ("charts/", "converters/", "docker/", "docs/", "examples/", "modelserver/", "tests/")
    names = {name.split()[0] for name in spans(page) if name.startswith(heads)}
    assert [name for name in sorted(names) if not (is_test(name) or (ROOT / name).exists())] == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    """`make x` is a target."""
    makefile = (ROOT / "Makefile").read_text()
    targets = {name.split()[1] for name in spans(page) if name.startswith("make ")}
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


def rows() -> list[list[str]]:
    """The cells of the checklist."""
    lines = (ROOT / "docs" / "reference-architecture.md").read_text().splitlines()
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [row for row in cells if row[0].isdigit()]


def test_the_checklist_is_whole() -> None:
    """All 24 considerations are there, in order."""
    assert [int(number) for number, *_ in rows()] == list(range(1, 25))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_checklist_row(row: list[str]) -> None:
    """Each point says where it is set and which test holds it, and all of that exists."""
    *_, where, held_by = row
    known = [
        name
        for name in CODE.findall(where)
        if not (is_value(name) or name in SETTINGS or (ROOT / name).is_file())
    ]
    assert known == []
    assert CODE.findall(where) or "](" in where
    tests = CODE.findall(held_by)
    assert tests
    assert [name for name in tests if not is_test(name)] == []


def test_is_value_can_say_no() -> None:
    """The check of names refuses what is almost a value."""
    assert is_value("gateway.tls.options")
    assert is_value("server.maxBodyBytes")
    assert not is_value("gateway.tls.option")
    assert not is_value("server.maxBodyMiB")
    assert not is_test("tests/docs/test_names.py::test_nothing")
    assert not is_test(str(Path("tests/docs/absent.py")))
