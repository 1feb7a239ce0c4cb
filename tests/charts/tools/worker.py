"""Renders charts with Helm 4 and parses PromQL: one JSON request a line, one JSON answer a line.

Runs in the tools' own environment, so that the tests' one needs neither package.
"""

import json
import sys
from typing import Any

import helm_python
import promql_parser

CHARTS: dict[str, helm_python.Chart] = {}


def render(chart: str, values: dict[str, Any], name: str, namespace: str) -> dict[str, Any]:
    """Rendered text by template, or the refusal."""
    if chart not in CHARTS:
        CHARTS[chart] = helm_python.Chart.load(chart)
    try:
        return {"files": CHARTS[chart].render(values, name=name, namespace=namespace)}
    except helm_python.HelmError as error:
        return {"refusal": str(error)}


def lint(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    """Messages of `helm lint`."""
    return {"messages": helm_python.lint(chart, values=values)["messages"]}


def package(chart: str, folder: str) -> dict[str, Any]:
    """Path of the packed chart."""
    return {"archive": helm_python.package(chart, destination=folder)}


def selectors(query: str) -> dict[str, Any]:
    """Each series that a query reads: its name, and its matchers as [label, operator, value]."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            matchers = [[m.name, str(m.op), m.value] for m in node.matchers.matchers]
            found.append([node.name, matchers])

    try:
        promql_parser.walk(promql_parser.parse(query), visit)
    except ValueError as error:
        return {"refusal": str(error)}
    return {"selectors": found}


COMMANDS = {"render": render, "lint": lint, "package": package, "selectors": selectors}

for line in sys.stdin:
    request = json.loads(line)
    answer = COMMANDS[request.pop("command")](**request)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
