"""The code keeps the measures that make it readable in an evening; a measure is one row below.

Measured on the syntax tree of both packages, nothing is imported. Layers: setup.cfg, import-linter.
"""

import ast
import itertools
import statistics
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("modelserver", "converters")

MODULE_LINES_MEDIAN, MODULE_LINES_MOST = 150, 300
FUNCTION_LINES_MEDIAN, FUNCTION_LINES_90TH = 10, 30
MOST_BRANCHES, BRANCHY_SHARE = 10, 0.01

# Where a third-party library may be imported: replacing it touches these modules or packages only.
# Arrays and graphs are what the packages are made of; their libraries are at home everywhere.
HOMES = {
    "modelserver": {
        "PIL": ["modelserver.tasks.image_pixels"],
        "httptools": ["modelserver.http.request_reader"],
        "flask": [
            *("modelserver.app", "modelserver.management", "modelserver.pages"),
            *("modelserver.oip.pages", "modelserver.site", "modelserver.v1_pages"),
        ],
        "numpy": ["modelserver"],
        "opentelemetry": ["modelserver.spans"],
        "onnxruntime": ["modelserver.runtime"],
        "orjson": ["modelserver.jsontext"],
        "prometheus_client": ["modelserver.metrics"],
        "uvloop": ["modelserver.http.event_loop"],
        "waitress": [
            "modelserver.http.waitress_connection",
            "modelserver.http.waitress_front",
            "modelserver.http.waitress_turns",
        ],
        "werkzeug": ["modelserver.pages", "modelserver.multipart"],
    },
    "converters": {
        "google": ["converters.onnx_graph"],  # protobuf
        "numpy": ["converters"],
        "onnx": ["converters"],
        "onnxruntime": ["converters.deep"],  # its tools that change graphs
        "scipy": ["converters.faq", "converters.sklearn"],
        "skl2onnx": ["converters.faq", "converters.sklearn", "converters.text"],
        "sklearn": ["converters.faq", "converters.sklearn", "converters.text"],
        "threadpoolctl": ["converters.faq.training"],
        "torch": ["converters.deep", "converters.resnet"],
    },
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)


@cache
def modules(package: str) -> dict[str, tuple[Path, ast.Module]]:
    """Every module of a package: dotted name -> file and syntax tree."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = (path, ast.parse(path.read_text()))
    return found


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method, inner ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def every_function() -> list[tuple[str, Function]]:
    """Every function of both packages with its module's name."""
    return [
        (name, function)
        for package in PACKAGES
        for name, (_, tree) in modules(package).items()
        for function in functions(tree)
    ]


def count_branches(function: Function) -> int:
    """The decisions of a function, its inner functions' too."""
    branches = 0
    for node in ast.walk(function):
        if isinstance(node, _BRANCHES):
            branches += 1
        elif isinstance(node, ast.BoolOp):
            branches += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            branches += 1 + len(node.ifs)
    return branches


def public(body: list[ast.stmt], where: str) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Functions, classes and methods without an underscore before their name."""
    for node in body:
        if isinstance(node, (Function, ast.ClassDef)) and not node.name.startswith("_"):
            yield f"{where}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{where}.{node.name}")


def imports(tree: ast.Module) -> Iterator[str]:
    """What a module imports, inside functions too; `from a import b` counts as `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short(package: str) -> None:
    """One concern, one short file."""
    lines = {
        name: len(path.read_text().splitlines()) for name, (path, _) in modules(package).items()
    }
    assert statistics.median(lines.values()) <= MODULE_LINES_MEDIAN
    assert {name: n for name, n in lines.items() if n > MODULE_LINES_MOST} == {}


def test_functions_are_short() -> None:
    """Most functions fit into one look, nearly all into one screen."""
    lines = sorted(f.end_lineno - f.lineno + 1 for _, f in every_function() if f.end_lineno)
    assert statistics.median(lines) <= FUNCTION_LINES_MEDIAN
    assert lines[len(lines) * 9 // 10] <= FUNCTION_LINES_90TH


def test_functions_decide_little() -> None:
    """Nearly no function takes more decisions than a reader can hold in mind."""
    counted = {f"{name}.{f.name}:{f.lineno}": count_branches(f) for name, f in every_function()}
    branchy = {name: n for name, n in counted.items() if n > MOST_BRANCHES}
    assert len(branchy) < BRANCHY_SHARE * len(counted), branchy


def test_everything_public_is_explained() -> None:
    """Every module, public class, function and method says in a sentence what it is for."""
    silent = []
    for package in PACKAGES:
        for name, (_, tree) in modules(package).items():
            named = [(name, tree), *public(tree.body, name)]
            silent += [where for where, node in named if not ast.get_docstring(node)]
    assert silent == []


def test_every_function_says_what_it_returns() -> None:
    """The return type is written, so that a reader need not look inside."""
    assert [f"{name}.{f.name}" for name, f in every_function() if f.returns is None] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_have_no_cycle(package: str) -> None:
    """No two modules need each other, so each can be read after those it imports."""
    known = modules(package)
    graph = {name: {i for i in imports(tree) if i in known} for name, (_, tree) in known.items()}
    for name, found in graph.items():
        # `from package import module` names the package on the way to the module.
        found.difference_update(
            {name}, {p for p in found if any(i.startswith(f"{p}.") for i in found)}
        )
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_libraries_are_at_home(package: str) -> None:
    """A third-party library is imported in its home only."""
    ours = {*sys.stdlib_module_names, *PACKAGES}
    astray = set()
    for name, (_, tree) in modules(package).items():
        for library in {found.partition(".")[0] for found in imports(tree)} - ours:
            homes = HOMES[package].get(library, [])
            if not any(f"{name}.".startswith(f"{home}.") for home in homes):
                astray.add(f"{name} imports {library}, which is at home in {homes or 'no module'}")
    assert astray == set()


def test_homes_are_lived_in() -> None:
    """The table above names no library and no module that is not there any more."""
    for package, libraries in HOMES.items():
        used = {i.partition(".")[0] for _, tree in modules(package).values() for i in imports(tree)}
        assert set(libraries) <= used
        assert set(itertools.chain.from_iterable(libraries.values())) <= set(modules(package))


def test_tests_say_what_they_protect() -> None:
    """Every test opens with the rule it protects, in words."""
    silent = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for function in functions(ast.parse(path.read_text()))
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_tests_follow_the_packages(package: str) -> None:
    """The tests of a package stand in a folder of the same name."""
    tests = ROOT / "tests" / package
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert {str(folder) for folder in folders if not (ROOT / package / folder).is_dir()} == set()
