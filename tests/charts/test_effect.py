"""No value is idle: each changes what some release renders, or is refused."""

from typing import Any

import pytest

from tests.charts.engines import Helm4, Refused, Rendered, Values
from tests.charts.scenarios import SCENARIOS, changed, read
from tests.charts.values import leaves

OTHERS: dict[str, list[Any]] = {
    "image.digest": ["sha256:" + "1" * 64],
    "model.source.sha256": ["1" * 64],
    "model.source.sizeLimit": ["9Gi"],
    "model.source.url": ["https://other.example.com/x.tar.gz"],
    "azure.workloadIdentityClientId": ["12345678-1234-1234-1234-123456789abc"],
    "metrics.monitor.interval": ["7s"],
    "metrics.rules.latencySeconds": [1],
    "autoscaling.prometheus.serverAddress": ["http://other:9090"],
    "updateStrategy": [{"type": "Recreate"}],
    "affinity": [{"nodeAffinity": {}}],
    "server": [{"maxInstances": 3}],
    "extraEnv": [{"A": "b"}],
    "auth.keys": [{"other": "1" * 64}],
    "gateway.paths": [["/other"]],
    "ingress.paths": [["/other"]],
    "image.pullPolicy": ["Always"],
    "model.source.type": ["volume"],
    "autoscaling.type": ["keda"],
    "service.type": ["LoadBalancer"],
    "service.externalTrafficPolicy": ["Cluster"],
    "metrics.monitor.apiVersion": ["azmonitoring.coreos.com/v1"],
    "networkPolicy.egress": [[{"ports": [{"port": 1}]}]],
    "networkPolicy.scoringFrom": [[{"podSelector": {}}]],
    "networkPolicy.metricsFrom": [[{"podSelector": {}}]],
    "rbac.bindings": [[{"group": "g", "role": "r"}]],
    "tolerations": [[{"key": "other"}]],
    "gpu.tolerations": [[{"key": "other"}]],
    "service.sourceRanges": [["1.0.0.0/8"]],
    "topologySpreadConstraints": [
        [{"maxSkew": 7, "topologyKey": "x", "whenUnsatisfiable": "DoNotSchedule"}]
    ],
    "podSecurityContext": [{"runAsUser": 7}],
    "securityContext": [{"readOnlyRootFilesystem": False}],
    "autoscaling.behavior": [{"scaleUp": {"stabilizationWindowSeconds": 7}}],
    "extraVolumes": [[{"name": "other", "emptyDir": {}}]],
    "extraVolumeMounts": [[{"name": "tmp", "mountPath": "/other"}]],
    "extraObjects": [[{"kind": "ConfigMap", "metadata": {"name": "other"}}]],
}
"""Other values, where the type alone would give one that the schema refuses."""


def others(path: str, default: Any) -> list[Any]:
    """Values that differ from the default and are of its type."""
    if path in OTHERS:
        return OTHERS[path]
    if isinstance(default, bool):
        return [True, False]
    if isinstance(default, int):
        return [default + 7]
    if isinstance(default, float):
        return [default / 2]
    if isinstance(default, str):
        return [(default or "other") + "x"]
    if isinstance(default, list):
        return [["other"], [{"name": "other", "type": "other", "group": "g", "role": "r"}]]
    return [{"other": "x"}, {"requests": {"cpu": "7", "memory": "7Gi"}}, 0.5, 7]


def outcome(helm4: Helm4, values: Values) -> Rendered | str:
    """What is rendered, notes included; or why nothing is, in the chart's own words."""
    try:
        return helm4.render(values)
    except Refused as refused:
        if "specifications of the schema" in str(refused):
            raise
        return str(refused)


@pytest.fixture(scope="module")
def scenarios(helm4: Helm4) -> list[tuple[Values, Rendered | str]]:
    """Every scenario's values and what is rendered of them."""
    values = [read(files) for files in SCENARIOS.values()]
    return [(each, helm4.render(each)) for each in values]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "default"), [(".".join(path), default) for path, default in leaves()]
)
def test_effect(
    helm4: Helm4, scenarios: list[tuple[Values, Rendered | str]], path: str, default: Any
) -> None:
    """Changing the value changes a release. A value that the schema refuses proves nothing."""
    for other in others(path, default):
        for values, before in scenarios:
            try:
                after = outcome(helm4, changed(values, {path: other}))
            except Refused:
                break  # of another type than the schema wants: try the next
            if after != before:
                return
    pytest.fail(f"{path}: no scenario changes")
