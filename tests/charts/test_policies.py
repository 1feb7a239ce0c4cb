"""Pod Security "restricted", the safeguards of AKS, and checkov find nothing to refuse."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.engines import CHECKOV, Helm4, Object, Rendered
from tests.charts.scenarios import SCENARIOS, read

SAFE_VOLUMES = frozenset(
    (
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"),
        *("persistentVolumeClaim", "projected", "secret"),
    )
)
"""Volume types of the profile "restricted" (Kubernetes, Pod Security Standards)."""

CHECKOV_SKIPS = {
    "CKV_K8S_11": "no CPU limit on purpose: it would throttle the server within each 100 ms",
    "CKV_K8S_43": "only the user knows the digest; production-aks shows where it goes",
    "CKV_K8S_15": "with Always, a registry that is down would stop pods from starting",
    "CKV_K8S_35": "an address with a token can only get into an argument by a variable",
    "CKV2_K8S_6": "the pod of `helm test` lives for seconds, and asks DNS and the Service",
}
"""Checks that are not followed, and why."""


@pytest.fixture(params=SCENARIOS)
def rendered(request: pytest.FixtureRequest, helm4: Helm4) -> Rendered:
    """Each scenario."""
    return helm4.render(read(SCENARIOS[request.param]))


def pod_specs(rendered: Rendered) -> list[Object]:
    """The specifications of all pods."""
    return [rendered.pod, *(pod["spec"] for pod in rendered.all("Pod"))]


def security_faults(spec: Object) -> list[str]:
    """What the profile "restricted" refuses in a pod."""
    found = [f"{field} is set" for field in ("hostNetwork", "hostPID", "hostIPC") if field in spec]
    for volume in spec["volumes"]:
        (kind,) = volume.keys() - {"name"}
        found += [] if kind in SAFE_VOLUMES else [f"volume {volume['name']} is a {kind}"]
    pod = spec.get("securityContext", {})
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        context = {**pod, **container.get("securityContext", {})}
        profile = context.get("seccompProfile", {}).get("type")
        rules = {
            "runs as root": context.get("runAsNonRoot") is not True
            or context.get("runAsUser") == 0,
            "may gain privileges": context.get("allowPrivilegeEscalation") is not False,
            "is privileged": context.get("privileged", False),
            "has capabilities": context.get("capabilities") != {"drop": ["ALL"]},
            "has no seccomp profile": profile not in ("RuntimeDefault", "Localhost"),
            "has a host port": any("hostPort" in port for port in container.get("ports", ())),
        }
        found += [f"{container['name']} {fault}" for fault, there in rules.items() if there]
    return found


def test_restricted(rendered: Rendered) -> None:
    """Every pod is admitted to a namespace that enforces "restricted"."""
    assert [fault for spec in pod_specs(rendered) for fault in security_faults(spec)] == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"podSecurityContext.runAsNonRoot": False}, "scoring runs as root"),
        ({"podSecurityContext.runAsUser": 0}, "scoring runs as root"),
        ({"securityContext.allowPrivilegeEscalation": True}, "scoring may gain privileges"),
        ({"securityContext.privileged": True}, "scoring is privileged"),
        ({"securityContext.capabilities": {"drop": []}}, "scoring has capabilities"),
        (
            {"podSecurityContext.seccompProfile.type": "Unconfined"},
            "scoring has no seccomp profile",
        ),
        (
            {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]},
            "volume host is a hostPath",
        ),
    ],
)
def test_restricted_notices(
    render: Callable[..., Rendered], changes: dict[str, Any], fault: str
) -> None:
    """Whoever opens a hatch is found, so the test above can fail."""
    assert fault in security_faults(render(changes).pod)


def test_read_only_root(rendered: Rendered) -> None:
    """No container can write anywhere but in its emptyDirs, each of which has a limit."""
    for spec in pod_specs(rendered):
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        for volume in spec["volumes"]:
            if volume["name"] in ("tmp", "model") and "emptyDir" in volume:
                assert volume["emptyDir"]["sizeLimit"]


def test_no_api_access(rendered: Rendered) -> None:
    """No pod gets a token of the API server, or variables that other Services choose."""
    for spec in pod_specs(rendered):
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
    for account in rendered.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def safeguard_faults(rendered: Rendered) -> list[str]:
    """What the deployment safeguards of AKS Automatic refuse."""
    found = []
    for spec in pod_specs(rendered):
        for container in spec["containers"]:
            probes = container.keys() & {"readinessProbe", "livenessProbe"}
            found += [] if len(probes) == 2 else [f"{container['name']} lacks a probe"]
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            image = container["image"]
            named = "@sha256:" in image or image.rpartition(":")[2] not in ("latest", image)
            found += [] if named else [f"{container['name']}: {image} has no version"]
            requests = container["resources"].get("requests", {})
            too_small = _milli(requests["cpu"]) < 100 or _bytes(requests["memory"]) < 100 * 2**20
            found += [f"{container['name']} asks for too little"] if too_small else []
    spread = rendered.pod.get("topologySpreadConstraints") or rendered.pod.get("affinity")
    found += [] if spread else ["pods are not spread"]
    found += [] if len(rendered.all("Service")) == 1 else ["two Services select the same pods"]
    for item in rendered.objects:
        labels = item["metadata"].get("labels", {})
        found += [f"label {name}" for name in labels if name.startswith("kubernetes.azure.com/")]
    return found


def _milli(cpu: Any) -> float:
    text = str(cpu)
    return float(text[:-1]) if text.endswith("m") else float(text) * 1000


def _bytes(memory: str) -> float:
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    return float(memory[:-2]) * units[memory[-2:]]


def test_safeguards(rendered: Rendered) -> None:
    """AKS Automatic enforces these and cannot be told not to."""
    assert safeguard_faults(rendered) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"resources.requests.cpu": "50m"}, "scoring asks for too little"),
        ({"resources.requests.memory": "64Mi"}, "scoring asks for too little"),
        ({"commonLabels": {"kubernetes.azure.com/x": "y"}}, "label kubernetes.azure.com/x"),
    ],
)
def test_safeguards_notice(
    render: Callable[..., Rendered], changes: dict[str, Any], fault: str
) -> None:
    """The test above can fail."""
    assert fault in safeguard_faults(render(changes))


@pytest.mark.slow
@pytest.mark.skipif(not CHECKOV.exists(), reason="no checkov: `make tools-checkov` gets it")
@pytest.mark.timeout(600)
def test_checkov(helm4: Helm4, tmp_path: Path) -> None:
    """No check fails but those skipped by name, and each skip is still needed."""
    for name, files in SCENARIOS.items():
        objects = helm4.render(read(files)).objects
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))
    command = [CHECKOV, "-d", tmp_path, "--framework", "kubernetes", "--compact", "--quiet"]
    done = subprocess.run(
        [*command, "--skip-download", "-o", "json"], capture_output=True, text=True
    )
    results = json.loads(done.stdout)["results"]
    failed: dict[str, set[str]] = {}
    for check in results["failed_checks"]:
        failed.setdefault(check["check_id"], set()).add(f"{check['file_path']} {check['resource']}")
    assert not {check: where for check, where in failed.items() if check not in CHECKOV_SKIPS}
    assert failed.keys() == CHECKOV_SKIPS.keys()
    production = "/faq-production-aks.yaml Deployment.ns.faq-scoring"
    assert [check for check, where in failed.items() if production in where] == ["CKV_K8S_11"]
