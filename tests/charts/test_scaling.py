"""Autoscaling by an HPA or by KEDA, never both; the disruption budget."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.engines import Helm4, Rendered
from tests.charts.scenarios import SCENARIOS, read
from tests.charts.tables import ABSENT, Case, cases, check

HPA = {"autoscaling.enabled": True}
KEDA = {"autoscaling.enabled": True, "autoscaling.type": "keda"}
PROMETHEUS = {
    "metrics.monitor.enabled": True,
    "autoscaling.prometheus.serverAddress": "http://prometheus:9090",
}
METRICS = "HorizontalPodAutoscaler.spec.metrics"
TRIGGERS = "ScaledObject.spec.triggers"


def cpu(target: int) -> dict[str, Any]:
    """An HPA's CPU metric."""
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
    return {"type": "Resource", "resource": resource}


def pods(name: str, target: str) -> dict[str, Any]:
    """An HPA's metric of pods."""
    value = {"type": "AverageValue", "averageValue": target}
    return {"type": "Pods", "pods": {"metric": {"name": f"modelserver_{name}"}, "target": value}}


@cases(
    Case("off", {}, {"HorizontalPodAutoscaler": ABSENT, "ScaledObject": ABSENT}),
    Case("cpu", HPA, {METRICS: [cpu(70)], "ScaledObject": ABSENT}),
    Case(
        "bounds",
        {**HPA, "autoscaling.minReplicas": 3, "autoscaling.maxReplicas": 3},
        {
            "HorizontalPodAutoscaler.spec.minReplicas": 3,
            "HorizontalPodAutoscaler.spec.maxReplicas": 3,
        },
    ),
    Case("cpu-target", {**HPA, "autoscaling.targetCPU": 50}, {METRICS: [cpu(50)]}),
    Case(
        "saturation",
        {**HPA, "autoscaling.targetCPU": None, "autoscaling.targetSaturation": 0.7},
        {METRICS: [pods("saturation_ratio", "700m")]},
    ),
    Case(
        "saturation-full",
        {**HPA, "autoscaling.targetCPU": None, "autoscaling.targetSaturation": 1},
        {METRICS: [pods("saturation_ratio", "1000m")]},
    ),
    Case(
        "saturation-rounded",
        {**HPA, "autoscaling.targetCPU": None, "autoscaling.targetSaturation": 0.29},
        {METRICS: [pods("saturation_ratio", "290m")]},
    ),
    Case(
        "inflight",
        {**HPA, "autoscaling.targetInflight": 8},
        {METRICS: [cpu(70), pods("inflight_requests", "8")]},
    ),
    Case(
        "raw",
        {**HPA, "autoscaling.targetCPU": None, "autoscaling.metrics": [{"type": "External"}]},
        {METRICS: [{"type": "External"}]},
    ),
    Case(
        "behaviour",
        HPA,
        {
            "HorizontalPodAutoscaler.spec.behavior.scaleDown.stabilizationWindowSeconds": 300,
            "HorizontalPodAutoscaler.spec.behavior.scaleUp.policies.[0].value": 100,
        },
    ),
    Case(
        "behaviour-own",
        {**HPA, "autoscaling.behavior.scaleDown.stabilizationWindowSeconds": 0},
        {"HorizontalPodAutoscaler.spec.behavior.scaleDown.stabilizationWindowSeconds": 0},
    ),
    Case(
        "keda-cpu",
        KEDA,
        {
            TRIGGERS: [
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}},
            ],
            "HorizontalPodAutoscaler": ABSENT,
            "Deployment.spec.replicas": ABSENT,
        },
    ),
    Case(
        "keda-bounds",
        {**KEDA, "autoscaling.minReplicas": 1, "autoscaling.maxReplicas": 4},
        {"ScaledObject.spec.minReplicaCount": 1, "ScaledObject.spec.maxReplicaCount": 4},
    ),
    Case(
        "keda-saturation",
        {**KEDA, **PROMETHEUS, "autoscaling.targetSaturation": 0.7},
        {
            f"{TRIGGERS}.[1].metadata": {
                "serverAddress": "http://prometheus:9090",
                "query": 'sum(modelserver_saturation_ratio{job="ns/faq-scoring"})',
                "threshold": "0.7",
            },
            f"{TRIGGERS}.[1].metricType": "AverageValue",
            f"{TRIGGERS}.[1].authenticationRef": ABSENT,
        },
    ),
    Case(
        "keda-inflight",
        {
            **KEDA,
            **PROMETHEUS,
            "autoscaling.targetInflight": 32,
            "autoscaling.prometheus.authentication": "azure",
        },
        {
            f"{TRIGGERS}.[1].metadata.query": (
                'sum(modelserver_inflight_requests{job="ns/faq-scoring"})'
            ),
            f"{TRIGGERS}.[1].metadata.threshold": "32",
            f"{TRIGGERS}.[1].authenticationRef": {"name": "azure"},
        },
    ),
    Case(
        "keda-raw-templated",
        {
            **KEDA,
            "autoscaling.targetCPU": None,
            "autoscaling.triggers": [{"type": "x", "metadata": {"a": "{{ .Release.Name }}"}}],
        },
        {TRIGGERS: [{"type": "x", "metadata": {"a": "faq"}}]},
    ),
    Case(
        "keda-behaviour",
        KEDA,
        {
            "ScaledObject.spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown"
            ".stabilizationWindowSeconds": 300
        },
    ),
)
def test_autoscaling(render: Callable[..., Rendered], case: Case) -> None:
    """The same targets work for both; KEDA's own HPA and ours never meet."""
    check(render, case)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_owner_of_the_replicas(helm4: Helm4, scenario: str) -> None:
    """At most one of `replicas`, an HPA and a ScaledObject says how many pods there are."""
    rendered = helm4.render(read(SCENARIOS[scenario]))
    owners = [*rendered.all("HorizontalPodAutoscaler"), *rendered.all("ScaledObject")]
    assert len(owners) + ("replicas" in rendered.deployment["spec"]) == 1


@cases(
    Case("two", {}, {"PodDisruptionBudget.spec.maxUnavailable": 1}),
    Case(
        "unhealthy-pods-block-nothing",
        {},
        {"PodDisruptionBudget.spec.unhealthyPodEvictionPolicy": "AlwaysAllow"},
    ),
    Case("one", {"replicas": 1}, {"PodDisruptionBudget": ABSENT}),
    Case("none", {"replicas": 0}, {"PodDisruptionBudget": ABSENT}),
    Case("off", {"podDisruptionBudget.enabled": False}, {"PodDisruptionBudget": ABSENT}),
    Case(
        "scaled-to-one",
        {**HPA, "autoscaling.minReplicas": 1, "replicas": 5},
        {"PodDisruptionBudget": ABSENT},
    ),
    Case(
        "scaled-to-two",
        {**HPA, "replicas": 1},
        {"PodDisruptionBudget.spec.maxUnavailable": 1},
    ),
    Case(
        "percent",
        {"podDisruptionBudget.maxUnavailable": "25%"},
        {"PodDisruptionBudget.spec.maxUnavailable": "25%"},
    ),
    Case(
        "more",
        {"podDisruptionBudget.maxUnavailable": 2, "replicas": 3},
        {"PodDisruptionBudget.spec.maxUnavailable": 2},
    ),
)
def test_disruption_budget(render: Callable[..., Rendered], case: Case) -> None:
    """A budget exists where it can be kept; a single pod must not block the drain of its node."""
    check(render, case)


@pytest.mark.parametrize(("load", "wait"), [(120, "600s"), (3600, "3660s")])
def test_patience_of_the_alert(render: Callable[..., Rendered], load: int, wait: str) -> None:
    """A model that may load for an hour is not reported before."""
    on = {"metrics.monitor.enabled": True, "metrics.rules.enabled": True}
    (group,) = render({**on, "model.loadTimeoutSeconds": load}).one("PrometheusRule")["spec"][
        "groups"
    ]
    waits = {row["alert"]: row.get("for") for row in group["rules"]}
    assert waits["ScoringModelNotReady"] == wait
