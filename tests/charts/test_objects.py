"""Every object that the chart can make is one that Kubernetes takes."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.charts.engines import MODELS, Helm4, Object, Rendered
from tests.charts.scenarios import SCENARIOS, read
from tests.charts.schemas import VERSIONS, faults, is_custom

needs_models = pytest.mark.skipif(
    not MODELS.exists(), reason="no schemas of custom resources: `make tools` gets them by npm"
)


@pytest.fixture(params=SCENARIOS)
def rendered(request: pytest.FixtureRequest, helm4: Helm4) -> Rendered:
    """Each scenario."""
    return helm4.render(read(SCENARIOS[request.param]))


def _fits(item: Object, version: str) -> bool:
    """Image volumes came with Kubernetes 1.31; the chart asks for 1.33."""
    volumes = item.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", ())
    volumes = volumes or item.get("spec", {}).get("volumes", ()) or ()
    return version >= "1.33" or not any("image" in volume for volume in volumes)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes(rendered: Rendered, version: str) -> None:
    """Strict schemas of each supported Kubernetes: no unknown field, no wrong type."""
    items = [item for item in rendered.objects if not is_custom(item) and _fits(item, version)]
    assert items
    assert [fault for item in items for fault in faults(item, version)] == []


@needs_models
def test_custom_resources(rendered: Rendered) -> None:
    """Schemas of Gateway API, KEDA and the Prometheus Operator, made strict."""
    items = [item for item in rendered.objects if is_custom(item)]
    assert [fault for item in items for fault in faults(item, VERSIONS[-1])] == []


@needs_models
def test_every_custom_resource_has_a_scenario(helm4: Helm4) -> None:
    """The test above has seen each kind, and Azure's copy of the PodMonitor."""
    items = [item for files in SCENARIOS.values() for item in helm4.render(read(files)).objects]
    assert {(item["apiVersion"], item["kind"]) for item in items if is_custom(item)} == {
        ("azmonitoring.coreos.com/v1", "PodMonitor"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("keda.sh/v1alpha1", "ScaledObject"),
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("monitoring.coreos.com/v1", "PrometheusRule"),
    }


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("Deployment", {"spec.replica": 2}, "replica"),
        ("Deployment", {"spec.replicas": "two"}, "two"),
        ("Service", {"spec.ports": [{"port": "http"}]}, "http"),
        ("ScaledObject", {"spec.minReplicas": 1}, "minReplicas"),
        ("PodMonitor", {"spec.selectors": {}}, "selectors"),
        ("HTTPRoute", {"spec.hostnames": [1]}, "1 is not of type"),
        ("Gateway", {"spec.gatewayClass": "x"}, "gatewayClass"),
    ],
)
def test_schemas_are_strict(helm4: Helm4, kind: str, change: dict[str, Any], named: str) -> None:
    """A wrong field is found, so the tests above can fail."""
    if kind not in ("Deployment", "Service") and not MODELS.exists():
        pytest.skip("no schemas of custom resources: `make tools` gets them by npm")
    names = {"ScaledObject": "keda", "PodMonitor": "keda"}
    item = helm4.render(read(SCENARIOS[names.get(kind, "gateway")])).all(kind)[0]
    ((path, value),) = change.items()
    item["spec"] = {**item["spec"], path.removeprefix("spec."): value}
    assert named in "\n".join(faults(item, VERSIONS[-1]))


def test_names(rendered: Rendered) -> None:
    """Names are DNS labels, which is what the strictest kind asks for; no two objects share one."""
    for item in rendered.objects:
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", item["metadata"]["name"])
    keys = [(item["kind"], item["metadata"]["name"]) for item in rendered.objects]
    assert len(keys) == len(set(keys))


def _containers(rendered: Rendered) -> Iterator[Object]:
    for spec in [rendered.pod, *(pod["spec"] for pod in rendered.all("Pod"))]:
        yield from spec.get("initContainers", ())
        yield from spec["containers"]


def test_nothing_stands_twice(rendered: Rendered) -> None:
    """Server-side apply refuses a variable, port, mount or volume that is named twice."""
    for container in _containers(rendered):
        for field, key in (("env", "name"), ("ports", "name"), ("volumeMounts", "mountPath")):
            names = [row[key] for row in container.get(field, ())]
            assert len(names) == len(set(names)), (container["name"], field)
    names = [volume["name"] for volume in rendered.pod["volumes"]]
    assert len(names) == len(set(names))


def test_references(rendered: Rendered) -> None:
    """What refers to something in the release finds it: ports, mounts, Services, scale targets."""
    volumes = {volume["name"] for volume in rendered.pod["volumes"]}
    assert {mount["name"] for mount in rendered.server["volumeMounts"]} <= volumes
    ports = {port["name"] for port in rendered.server["ports"]}
    service = rendered.one("Service")
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    labels = rendered.deployment["spec"]["template"]["metadata"]["labels"]
    for selector in _selectors(rendered):
        assert selector.items() <= labels.items()
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for scaler in rendered.all(kind):
            target = scaler["spec"]["scaleTargetRef"]["name"]
            assert target == rendered.deployment["metadata"]["name"]
    for route in rendered.all("HTTPRoute"):
        for backend in route["spec"]["rules"][0].get("backendRefs", ())[:1]:
            assert backend["name"] == service["metadata"]["name"]
            assert backend["port"] == service["spec"]["ports"][0]["port"]


def _selectors(rendered: Rendered) -> Iterator[dict[str, str]]:
    yield rendered.deployment["spec"]["selector"]["matchLabels"]
    yield rendered.one("Service")["spec"]["selector"]
    for kind, field in (
        ("PodDisruptionBudget", "selector"),
        ("PodMonitor", "selector"),
        ("NetworkPolicy", "podSelector"),
    ):
        for item in rendered.all(kind):
            yield item["spec"][field]["matchLabels"]


def test_namespace(render: Callable[..., Rendered]) -> None:
    """Every object of the chart says its namespace, so `helm template | kubectl apply` is safe."""
    for item in render(namespace="scoring").objects:
        assert item["metadata"]["namespace"] == "scoring"
