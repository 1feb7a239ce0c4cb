"""PodMonitor, alerts and dashboard: off by default, and each release's own."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.engines import Rendered
from tests.charts.tables import ABSENT, Case, cases, check

MONITOR = {"metrics.monitor.enabled": True}
RULES = {**MONITOR, "metrics.rules.enabled": True}
DASHBOARD = {"metrics.dashboard.enabled": True}
LABELS = {"release": "kube-prometheus-stack"}


@cases(
    Case("off", {}, {"PodMonitor": ABSENT, "PrometheusRule": ABSENT, "ConfigMap": ABSENT}),
    Case(
        "monitor",
        MONITOR,
        {
            "PodMonitor.apiVersion": "monitoring.coreos.com/v1",
            "PodMonitor.spec.podMetricsEndpoints": [
                {"port": "management", "path": "/metrics", "interval": "30s"}
            ],
        },
    ),
    Case(
        "azure",
        {**MONITOR, "metrics.monitor.apiVersion": "azmonitoring.coreos.com/v1"},
        {
            "PodMonitor.apiVersion": "azmonitoring.coreos.com/v1",
            "PodMonitor.spec.labelLimit": 63,
            "PodMonitor.spec.labelNameLengthLimit": 511,
            "PodMonitor.spec.labelValueLengthLimit": 1023,
        },
    ),
    Case(
        "monitor-labels",
        {**MONITOR, "metrics.monitor.labels": LABELS},
        {"PodMonitor.metadata.labels.release": "kube-prometheus-stack"},
    ),
    Case(
        "interval",
        {**MONITOR, "metrics.monitor.interval": "1m"},
        {"PodMonitor.spec.podMetricsEndpoints.[0].interval": "1m"},
    ),
    Case(
        "rules-labels",
        {**RULES, "metrics.rules.labels": LABELS},
        {"PrometheusRule.metadata.labels.release": "kube-prometheus-stack"},
    ),
    Case("group", RULES, {"PrometheusRule.spec.groups.[0].name": "ns/faq-scoring"}),
    Case(
        "dashboard",
        DASHBOARD,
        {
            "ConfigMap.metadata.name": "faq-scoring-dashboard",
            "ConfigMap.metadata.labels.grafana_dashboard": "1",
        },
    ),
    Case(
        "dashboard-labels",
        {**DASHBOARD, "metrics.dashboard.labels": {"grafana_dashboard": "yes"}},
        {"ConfigMap.metadata.labels.grafana_dashboard": "yes"},
    ),
)
def test_objects(render: Callable[..., Rendered], case: Case) -> None:
    """Nothing needs a custom resource of another project unless it is asked for."""
    check(render, case)


def alerts(rendered: Rendered) -> list[dict[str, Any]]:
    """The alerts of a release."""
    (group,) = rendered.one("PrometheusRule")["spec"]["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


@pytest.mark.parametrize(
    ("changes", "alert", "thresholds"),
    [
        ({}, "ScoringErrorBudgetBurn", [0.0144, 0.006, 0.001]),
        ({"availability": 0.99}, "ScoringErrorBudgetBurn", [0.144, 0.06, 0.01]),
        ({}, "ScoringLatencyBudgetBurn", [0.144, 0.06, 0.01]),
        ({"latencyShare": 0.95}, "ScoringLatencyBudgetBurn", [0.72, 0.3, 0.05]),
        ({"saturation": 0.5}, "ScoringSaturated", [0.5]),
        ({"goldenError": 0.002}, "ScoringGoldenDrift", [0.002]),
    ],
)
def test_thresholds(
    render: Callable[..., Rendered], changes: dict[str, Any], alert: str, thresholds: list[float]
) -> None:
    """Thresholds follow from the goals: burn rate times what the goal allows, in both windows."""
    values = {f"metrics.rules.{name}": value for name, value in changes.items()}
    rows = [row for row in alerts(render({**RULES, **values})) if row["alert"] == alert]
    found = [set(map(float, re.findall(r"> ([0-9.e-]+)", row["expr"]))) for row in rows]
    assert found == [{threshold} for threshold in thresholds]


def test_windows(render: Callable[..., Rendered]) -> None:
    """A burn counts only while it lasts: each long window has a short one of a twelfth."""
    for row in alerts(render(RULES)):
        if row["alert"].endswith("BudgetBurn"):
            long, short = row["expr"].split("and\n")
            windows = [set(re.findall(r"\[(\w+)\]", part)) for part in (long, short)]
            assert windows[0] == {row["labels"]["window"]}
            ((short_window,),) = [windows[1]]
            assert (row["labels"]["window"], short_window) in {
                *(("1h", "5m"), ("6h", "30m"), ("3d", "6h"))
            }


def test_alerts_can_be_told_apart(render: Callable[..., Rendered]) -> None:
    """No two alerts have one name and the same labels; each has a severity, summary and runbook."""
    rows = alerts(render({**RULES, "metrics.rules.runbook": "https://wiki/scoring"}))
    keys = [(row["alert"], *sorted(row["labels"].items())) for row in rows]
    assert len(keys) == len(set(keys))
    for row in rows:
        assert row["labels"]["severity"] in ("critical", "warning")
        assert row["labels"]["release"] == "faq"
        assert row["annotations"]["summary"].startswith("ns/faq-scoring: ")
        assert row["annotations"]["runbook_url"].startswith("https://wiki/scoring#")


def dashboard(rendered: Rendered) -> tuple[str, dict[str, Any]]:
    """File name and content of the dashboard."""
    ((name, text),) = rendered.one("ConfigMap")["data"].items()
    return name, json.loads(text)


def test_dashboard(render: Callable[..., Rendered]) -> None:
    """The dashboard shows this release alone; two of them stand beside each other in Grafana."""
    name, content = dashboard(render(DASHBOARD))
    other_name, other = dashboard(render(DASHBOARD, name="images"))
    elsewhere_name, elsewhere = dashboard(render(DASHBOARD, namespace="other"))
    assert content["title"] == "Scoring: ns/faq-scoring"
    assert len({name, other_name, elsewhere_name}) == 3
    assert len({content["uid"], other["uid"], elsewhere["uid"]}) == 3
    assert len(content["uid"]) <= 40
    text = json.dumps(content)
    assert "@" not in text
    assert text.count("modelserver_") == text.count('job=\\"ns/faq-scoring\\"')


def test_dashboard_layout(render: Callable[..., Rendered]) -> None:
    """No two panels have one id, and none lies over another."""
    _, content = dashboard(render(DASHBOARD))
    panels = content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
