"""Values that cannot work are refused, with a message that names them and the way out."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.engines import Helm4, Refused
from tests.charts.scenarios import MINIMAL, changed
from tests.charts.values import leaves

SHA = "ab" * 32
URL = {"model.source.type": "url"}
HPA = {"autoscaling.enabled": True}
KEDA = {"autoscaling.enabled": True, "autoscaling.type": "keda"}
SATURATION = {**KEDA, "autoscaling.targetSaturation": 0.7}
SERVER = {"autoscaling.prometheus.serverAddress": "http://p:9090"}
LOAD_BALANCER = {"service.type": "LoadBalancer"}
GATEWAY = {"gateway.enabled": True, "gateway.host": "a.b"}
SHARED = {**GATEWAY, "gateway.parentRef": {"name": "g", "sectionName": "https"}}
OWN = {**GATEWAY, "gateway.tls.secretName": "tls"}
RANGES = {"service.sourceRanges": ["10.0.0.0/8"]}
TAGS = {"service.annotations": {"service.beta.kubernetes.io/azure-allowed-service-tags": "x"}}
NO_KEYS = {"auth.keys": None}
BINDING = {"group": "g", "role": "view"}
VOLUME = {"name": "cache", "emptyDir": {}}

WORDS = [
    ({"image.repository": ""}, "image.repository is missing: set the repository"),
    ({"image.repository": "a/b:1"}, "image.repository ends in a tag: move it to image.tag"),
    ({"image.tag": "latest"}, "image.tag is latest", "name a version, or set image.digest"),
    ({"commonLabels": {"helm.sh/chart": "x"}}, "commonLabels has helm.sh/chart", "remove it"),
    (
        {"podLabels": {"app.kubernetes.io/name": "x"}},
        "podLabels has app.kubernetes.io/name, which the chart sets itself: remove it",
    ),
    (
        {"podLabels": {"azure.workload.identity/use": "true"}},
        "podLabels has azure.workload.identity/use",
    ),
    (
        {"commonLabels": {"a": "b"}, "metrics.monitor.labels": {"a": "b"}},
        "metrics.monitor.labels has a, which commonLabels has too: remove it from one of them",
    ),
    ({"model.name": ""}, "model.name is missing: set the name in /v1/models/NAME:predict"),
    ({"model.path": "/tmp/x"}, "model.path is /tmp/x", "choose a folder such as /models"),
    ({"model.path": "/etc"}, "model.path is /etc, which belongs to the system"),
    ({"model.path": "/models/../etc"}, "model.path is /models/../etc"),
    (URL, "there is no address: set model.source.url or model.source.urlSecret.name"),
    (URL, "model.source.sha256 is missing: set the SHA-256 of the file (sha256sum FILE)"),
    (
        {**URL, "model.source.url": "https://a/b", "model.source.urlSecret.name": "s"},
        "model.source.url and model.source.urlSecret.name are both set: remove one of them",
    ),
    ({"model.source.type": "volume"}, "model.source.claimName is missing: name an existing"),
    ({"model.source.type": "oci"}, "model.source.reference is missing: name the image"),
    (
        {"model.source.url": "https://a/b"},
        "model.source.url is set, but model.source.type is image: set it to url, or remove url",
    ),
    (
        {"model.source.sha256": SHA},
        "model.source.sha256 is set, but model.source.type is image: set it to url",
    ),
    ({"model.source.claimName": "c"}, "model.source.claimName is set", "set it to volume"),
    ({"model.source.reference": "r"}, "model.source.reference is set", "set it to oci"),
    ({"model.source.urlSecret.name": "s"}, "urlSecret.name is set", "set it to url, or remove"),
    ({"server.port": 80}, "server.port belongs to the chart", "set service.port"),
    ({"server.managementPort": 80}, "server.managementPort belongs to the chart"),
    ({"server.management_port": 80}, "server.management_port belongs to the chart"),
    ({"server.models": "/m"}, "server.models belongs to the chart: set model.path"),
    ({"server.device": "cuda"}, "server.device belongs to the chart: set gpu.enabled"),
    ({"server.apiKeysDir": "/k"}, "server.apiKeysDir belongs to the chart: set auth.keys"),
    (
        {"server": {"maxInstances": 1, "max_instances": 2}},
        "server.maxInstances and server.max_instances are one setting: remove one of them",
    ),
    (
        {**NO_KEYS, "auth.enabled": False, "server.clientMaxInflight": 4},
        "server.clientMaxInflight needs auth.enabled: without keys, clients cannot be told apart",
    ),
    (
        {"extraEnv": {"MODELSERVER_MAX_INSTANCES": "1"}},
        "extraEnv.MODELSERVER_MAX_INSTANCES is a setting of the server: set server.max_instances",
    ),
    ({"resources.requests.cpu": None}, "resources.requests.cpu is missing: say what a pod needs"),
    ({"resources.requests.memory": None}, "resources.requests.memory is missing"),
    (
        {"resources.limits": {"nvidia.com/gpu": 1}},
        "resources.limits has nvidia.com/gpu: set gpu.enabled and gpu.resource instead",
    ),
    (
        {"gpu.resource": "amd.com/gpu", "resources.requests": {"amd.com/gpu": 1}},
        "resources.requests has amd.com/gpu: set gpu.enabled",
    ),
    (
        {"updateStrategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
        "updateStrategy.type is Recreate, which has no rollingUpdate: remove one of them",
    ),
    (
        {**HPA, "autoscaling.minReplicas": 11},
        "autoscaling.minReplicas is 11, above autoscaling.maxReplicas (10): lower it",
    ),
    (
        {**HPA, "autoscaling.targetCPU": None},
        "autoscaling has nothing to look at: set autoscaling.targetCPU",
    ),
    ({**HPA, "autoscaling.triggers": [{"type": "x"}]}, "autoscaling.triggers is for KEDA: set"),
    ({**HPA, **SERVER}, "autoscaling.prometheus is for KEDA: set autoscaling.type to keda"),
    (
        {**KEDA, "autoscaling.targetCPU": None},
        "autoscaling has nothing to look at",
        "targetInflight or triggers",
    ),
    ({**KEDA, "autoscaling.metrics": [{"type": "x"}]}, "autoscaling.metrics is for an HPA: set"),
    (SATURATION, "autoscaling.prometheus.serverAddress is missing: KEDA reads"),
    ({**SATURATION, **SERVER}, "metrics.monitor.enabled is false", "set it to true"),
    (
        {"podDisruptionBudget.maxUnavailable": 2},
        "podDisruptionBudget.maxUnavailable is 2 of 2 pods, so all of them could be missing: lower",
    ),
    (LOAD_BALANCER, "service.type is LoadBalancer", "set service.sourceRanges"),
    (
        {**LOAD_BALANCER, **RANGES, "service.allowAll": True},
        "service.sourceRanges and service.allowAll contradict each other: remove one of them",
    ),
    ({**LOAD_BALANCER, **RANGES, **TAGS}, "azure-allowed-service-tags exclude each other"),
    (RANGES, "are for service.type LoadBalancer, but it is ClusterIP: set that, or remove them"),
    ({"service.allowAll": True}, "are for service.type LoadBalancer, but it is ClusterIP"),
    ({"gateway.enabled": True}, "gateway.host is missing: set the host name"),
    ({"gateway.host": "a.b"}, "gateway.host is set, but gateway.enabled is false: set it to true"),
    ({"ingress.enabled": True}, "ingress.host is missing: set the host name"),
    ({"ingress.host": "a.b"}, "ingress.host is set, but ingress.enabled is false: set it to true"),
    (
        {**OWN, "gateway.paths": ["/v1/models/faq"]},
        "gateway.paths has /v1/models/faq, which does not cover /v1/models/faq:predict",
        "add that path too",
    ),
    (
        {"ingress.paths": ["/v1/models/faq/", "/v1/models/other:predict"]},
        "ingress.paths has /v1/models/faq/, which does not cover /v1/models/faq:predict",
    ),
    (
        {"ingress.enabled": True, "ingress.host": "a.b"},
        "ingress.tlsSecretName is missing",
        "name a TLS Secret",
    ),
    (GATEWAY, "gateway.tls is missing: set gateway.tls.secretName or gateway.tls.options"),
    (
        {**GATEWAY, "gateway.tls": {"secretName": "a", "options": {"b": "c"}}},
        "gateway.tls.secretName and gateway.tls.options are both set",
        "remove one of them",
    ),
    (
        {**GATEWAY, "gateway.parentRef": {"name": "g"}},
        "gateway.parentRef.sectionName is missing: name the HTTPS listener of g",
    ),
    ({**SHARED, "gateway.tls.secretName": "t"}, "gateway.tls is for the chart's own Gateway"),
    (
        {**OWN, "gateway.parentRef.sectionName": "https"},
        "gateway.parentRef.name is missing: name the Gateway to attach to",
    ),
    (
        {**OWN, "gateway.canary.weight": 5},
        "gateway.canary.weight is set, but gateway.canary.serviceName is missing: name the Service",
    ),
    (
        {**OWN, "gateway.canary.serviceName": "faq-scoring"},
        "gateway.canary.serviceName is this release's own Service: name that of a second release",
    ),
    (NO_KEYS, "auth has no keys: set auth.keys or auth.existingSecret, or say auth.enabled=false"),
    ({"auth.existingSecret": "s"}, "auth.existingSecret and auth.keys are both set: remove one"),
    ({"auth.enabled": False}, "auth.enabled is false, but there are keys: set it to true, or"),
    (
        {"test.keySecret.name": "k", "test.enabled": False},
        "test.keySecret.name is set, but it needs test.enabled and auth.enabled: set them to true",
    ),
    (
        {"networkPolicy": {"enabled": False, "egress": [{}]}},
        "networkPolicy has rules, but networkPolicy.enabled is false: set it to true, or remove",
    ),
    (
        {"serviceAccount": {"create": False, "annotations": {"a": "b"}}},
        "serviceAccount.annotations is set, but serviceAccount.create is false: set it to true",
    ),
    (
        {
            "serviceAccount.create": False,
            "azure.workloadIdentityClientId": "12345678-1234-1234-1234-123456789abc",
        },
        "azure.workloadIdentityClientId needs an account of its own: set serviceAccount.create",
    ),
    ({"rbac.bindings": [BINDING, BINDING]}, "rbac.bindings has view for g twice: remove one"),
    ({"metrics.rules.enabled": True}, "metrics.monitor.enabled is false", "set it to true"),
    ({"extraVolumes": [{"name": "tmp"}]}, "extraVolumes has tmp, a name that is taken: choose"),
    ({"extraVolumes": [VOLUME, VOLUME]}, "extraVolumes has cache, a name that is taken"),
    (
        {
            "extraVolumes": [VOLUME],
            "extraVolumeMounts": [{"name": "cache", "mountPath": "/models"}],
        },
        "extraVolumeMounts has /models, where something is mounted already: choose another path",
    ),
    (
        {"extraVolumeMounts": [{"name": "cache", "mountPath": "/c"}]},
        "extraVolumeMounts mounts cache, but no volume has that name: add it to extraVolumes",
    ),
]
"""Changes of a good release, and parts of the message."""

SCHEMA = [
    ({"imagee": {}}, "imagee"),
    ({"model.nam": "x"}, "nam"),
    ({"server.maxBody": 1}, "maxBody"),
    ({"server.maxBodyBytes": "10"}, "maxBodyBytes", "integer"),
    ({"server.maxBodyBytes": 1}, "maxBodyBytes", "1,024"),
    ({"server.historicApi": "yes"}, "historicApi", "boolean"),
    ({"server.logFormat": "xml"}, "logFormat", "'text'"),
    ({"server.drainDelaySeconds": -1}, "drainDelaySeconds", "0"),
    ({"replicas": -1}, "replicas", "0"),
    ({"replicas": 1.5}, "replicas", "integer"),
    ({"replicas": "2"}, "replicas", "integer"),
    ({"image.digest": "sha256:abc"}, "digest", "sha256:[0-9a-f]{64}"),
    ({"image.tag": "a b"}, "tag", "pattern"),
    ({"image.pullPolicy": "always"}, "pullPolicy", "'Always'"),
    ({"image.pullSecrets": "a"}, "pullSecrets", "array"),
    ({"image.pullSecrets": [{"name": "a"}]}, "pullSecrets", "string"),
    ({"model.name": "FAQ"}, "name", "pattern"),
    ({"model.path": "models"}, "path", "pattern"),
    ({"model.source.type": "http"}, "type", "'volume'"),
    ({"model.source.url": "http://a/b"}, "url", "https://"),
    ({"model.source.sha256": 10**63}, "sha256", "string"),
    ({"model.source.sha256": "AB" * 32}, "sha256", "[0-9a-f]{64}"),
    ({"model.source.sizeLimit": "2 GB"}, "sizeLimit", "pattern"),
    ({"model.loadTimeoutSeconds": 0}, "loadTimeoutSeconds", "10"),
    ({"gpu.enabled": "true"}, "enabled", "boolean"),
    ({"gpu.count": 2}, "count"),
    ({"gpu.resource": "gpu"}, "resource", "pattern"),
    ({"resources.limit": {}}, "limit"),
    ({"resources.requests.cpu": "1 core"}, "cpu", "pattern"),
    ({"tolerations": [{"key": "a", "opertor": "Exists"}]}, "opertor"),
    ({"affinity": {"nodeAfinity": {}}}, "nodeAfinity"),
    ({"updateStrategy": {"type": "Rolling"}}, "type", "'Recreate'"),
    ({"topologySpreadConstraints": [{"maxSkew": 1}]}, "topologyKey"),
    ({"autoscaling.type": "vpa"}, "type", "'keda'"),
    ({"autoscaling.minReplicas": 0}, "minReplicas", "1"),
    ({"autoscaling.targetSaturation": 70}, "targetSaturation", "1"),
    ({"autoscaling.behavior.scaleUp.policies": [{"type": "Pod"}]}, "policies"),
    ({"podDisruptionBudget.maxUnavailable": 0}, "maxUnavailable", "1"),
    ({"podDisruptionBudget.maxUnavailable": "100%"}, "maxUnavailable", "pattern"),
    ({"service.type": "NodePort"}, "type", "'LoadBalancer'"),
    ({"service.port": 0}, "port", "1"),
    ({"service.sourceRanges": ["10.0.0.1"]}, "sourceRanges", "pattern"),
    ({"gateway.host": "https://a.b"}, "host", "pattern"),
    ({"gateway.paths": []}, "paths", "1"),
    ({"gateway.canary.weight": 101}, "weight", "100"),
    ({"ingress.paths": ["v1"]}, "paths", "pattern"),
    ({"auth.enable": False}, "enable"),
    ({"auth.keys": {"a": "secret"}}, "keys", "pattern"),
    ({"auth.keys": {"a": 11111111}}, "keys", "string"),
    ({"auth.keys": {"..data": SHA}}, "..data"),
    ({"networkPolicy.scoringFrom": [{"podSelektor": {}}]}, "podSelektor"),
    ({"azure.workloadIdentityClientId": "me"}, "workloadIdentityClientId", "pattern"),
    ({"rbac.bindings": [{"user": "me", "role": "view"}]}, "group"),
    ({"metrics.monitor.apiVersion": "v1"}, "apiVersion", "azmonitoring"),
    ({"metrics.monitor.interval": "30"}, "interval", "pattern"),
    ({"metrics.rules.latencySeconds": 0.3}, "latencySeconds", "0.25"),
    ({"metrics.rules.availability": 1}, "availability", "1"),
    ({"commonLabels": {"a": "not a label"}}, "commonLabels", "pattern"),
    ({"podAnnotations": {"a": True}}, "podAnnotations", "string"),
    ({"podSecurityContext.runAsUsr": 1}, "runAsUsr"),
    ({"securityContext.privilegd": True}, "privilegd"),
    ({"extraEnv": {"A": 1}}, "extraEnv", "string"),
    ({"extraEnv": {"A B": "1"}}, "A B"),
    ({"extraVolumes": [{"emptyDir": {}}]}, "extraVolumes", "name"),
    ({"nameOverride": "A_B"}, "nameOverride", "pattern"),
]
"""Changes that the schema refuses: Helm's words, with the value's name and what it may be."""


@pytest.mark.parametrize(
    ("changes", "parts"), [(changes, parts) for changes, *parts in WORDS], ids=str
)
def test_words(refusal: Callable[..., str], changes: dict[str, Any], parts: list[str]) -> None:
    """Each combination that cannot work is named, with what to do about it."""
    message = refusal(changes)
    assert "These values do not fit together" in message
    for part in parts:
        assert part in message
    assert all(":" in row for row in message.splitlines() if row.startswith("- "))


@pytest.mark.parametrize(
    ("changes", "parts"), [(changes, parts) for changes, *parts in SCHEMA], ids=str
)
def test_schema(refusal: Callable[..., str], changes: dict[str, Any], parts: list[str]) -> None:
    """Each wrong name, type or range is named, with what is expected."""
    message = refusal(changes)
    assert "don't meet the specifications of the schema" in message
    for part in parts:
        assert part in message


def test_null(helm4: Helm4) -> None:
    """A value set to null is refused unless it says that it may be: nothing renders `<nil>`."""
    taken, unnamed = [], []
    for path, _ in leaves():
        try:
            helm4.render(changed(MINIMAL, {".".join(path): None}))
            taken.append(".".join(path))
        except Refused as refused:
            unnamed += [] if path[-1] in str(refused) else [path]
    assert unnamed == []
    assert taken == [
        *("autoscaling.targetCPU", "autoscaling.targetSaturation", "autoscaling.targetInflight")
    ]
