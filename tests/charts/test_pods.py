"""The Deployment: rollout, probes, drain, resources, placement, GPU, environment, hatches."""

from collections.abc import Callable

import pytest

from tests.charts.engines import Rendered
from tests.charts.tables import ABSENT, Case, cases, check

ROLLING = "Deployment.spec.strategy.rollingUpdate"
GPU = "nvidia.com/gpu"
THREADS = "env.MODELSERVER_MODEL_THREADS"
MOUNTS = [{"name": "tmp", "mountPath": "/tmp"}]
KEYS = {"name": "api-keys", "mountPath": "/etc/scoring/api-keys", "readOnly": True}
TAINT = {"key": "dedicated", "operator": "Exists"}
AKS_TAINTS = [
    {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"},
    {"key": GPU, "operator": "Exists", "effect": "NoSchedule"},
]


@cases(
    Case("replicas", {"replicas": 5}, {"Deployment.spec.replicas": 5}),
    Case("no-replicas", {"replicas": 0}, {"Deployment.spec.replicas": 0}),
    Case("autoscaled", {"autoscaling.enabled": True}, {"Deployment.spec.replicas": ABSENT}),
    Case("history", {"revisionHistoryLimit": 0}, {"Deployment.spec.revisionHistoryLimit": 0}),
    Case("rollout", {}, {ROLLING: {"maxSurge": "25%", "maxUnavailable": 0}}),
    Case(
        "rollout-gpu",
        {"gpu.enabled": True},
        {ROLLING: {"maxSurge": 0, "maxUnavailable": 1}},
    ),
    Case(
        "rollout-own",
        {
            "gpu.enabled": True,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        },
        {ROLLING: {"maxSurge": 1}},
    ),
    Case(
        "recreate",
        {"updateStrategy": {"type": "Recreate"}},
        {"Deployment.spec.strategy": {"type": "Recreate"}},
    ),
)
def test_rollout(render: Callable[..., Rendered], case: Case) -> None:
    """Rollouts lose no request where pods have room, and cannot wait for a GPU that is not free."""
    check(render, case)


@cases(
    Case(
        "default",
        {},
        {"server.startupProbe.failureThreshold": 60, "server.startupProbe.periodSeconds": 2},
    ),
    Case(
        "long",
        {"model.loadTimeoutSeconds": 601},
        {
            "server.startupProbe.failureThreshold": 301,
            "Deployment.spec.progressDeadlineSeconds": 1201,
        },
    ),
    Case(
        "short",
        {"model.loadTimeoutSeconds": 10},
        {"server.startupProbe.failureThreshold": 5},
    ),
    Case(
        "ports",
        {},
        {
            "server.startupProbe.httpGet": {"path": "/readyz", "port": "management"},
            "server.readinessProbe.httpGet": {"path": "/readyz", "port": "management"},
            "server.livenessProbe.httpGet": {"path": "/livez", "port": "management"},
        },
    ),
)
def test_probes(render: Callable[..., Rendered], case: Case) -> None:
    """One value says how long a model may load; liveness never waits for it."""
    check(render, case)


@cases(
    Case(
        "default",
        {},
        {
            "env.MODELSERVER_DRAIN_DELAY_SECONDS": "10",
            "env.MODELSERVER_DRAIN_TIMEOUT_SECONDS": "30",
            "pod.terminationGracePeriodSeconds": 45,
        },
    ),
    Case("delay", {"server.drainDelaySeconds": 20}, {"pod.terminationGracePeriodSeconds": 55}),
    Case(
        "snake-case",
        {"server.drain_timeout_seconds": 100},
        {
            "pod.terminationGracePeriodSeconds": 115,
            "env.MODELSERVER_DRAIN_TIMEOUT_SECONDS": "100",
        },
    ),
    Case(
        "fractions-are-rounded-up",
        {"server.drainDelaySeconds": 2.5, "server.drainTimeoutSeconds": 0.1},
        {"pod.terminationGracePeriodSeconds": 9, "env.MODELSERVER_DRAIN_DELAY_SECONDS": "2.5"},
    ),
    Case(
        "nothing-to-wait-for",
        {"server.drainDelaySeconds": 0, "server.drainTimeoutSeconds": 0},
        {"pod.terminationGracePeriodSeconds": 5, "env.MODELSERVER_DRAIN_DELAY_SECONDS": "0"},
    ),
)
def test_drain(render: Callable[..., Rendered], case: Case) -> None:
    """The grace period follows from the server's own drain, with five seconds to end in."""
    check(render, case)


@cases(
    Case(
        "large-numbers-without-exponent",
        {"server.maxBodyBytes": 1073741824},
        {"env.MODELSERVER_MAX_BODY_BYTES": "1073741824"},
    ),
    Case(
        "very-large",
        {"server.gpuMemoryLimitBytes": 2**40},
        {"env.MODELSERVER_GPU_MEMORY_LIMIT_BYTES": "1099511627776"},
    ),
    Case("false", {"server.historicApi": False}, {"env.MODELSERVER_HISTORIC_API": "false"}),
    Case("text", {"server.logFormat": "text"}, {"env.MODELSERVER_LOG_FORMAT": "text"}),
    Case("snake", {"server.max_instances": 8}, {"env.MODELSERVER_MAX_INSTANCES": "8"}),
    Case("zero", {"server.modelThreads": 0}, {"env.MODELSERVER_MODEL_THREADS": "0"}),
    Case("ports", {}, {"env.MODELSERVER_PORT": "8080", "env.MODELSERVER_MANAGEMENT_PORT": "9090"}),
    Case("models", {"model.path": "/srv"}, {"env.MODELSERVER_MODELS": "/srv"}),
    Case("cpu", {}, {"env.MODELSERVER_DEVICE": "cpu"}),
    Case("keys", {}, {"env.MODELSERVER_API_KEYS_DIR": "/etc/scoring/api-keys"}),
    Case(
        "no-keys",
        {"auth.enabled": False, "auth.keys": None},
        {"env.MODELSERVER_API_KEYS_DIR": ABSENT},
    ),
    Case("threads-of-the-request", {"resources.requests.cpu": "3"}, {THREADS: "3"}),
    Case("threads-of-a-number", {"resources.requests.cpu": 2.5}, {THREADS: "3"}),
    Case("threads-of-millis", {"resources.requests.cpu": "1500m"}, {THREADS: "2"}),
    Case("threads-of-a-part", {"resources.requests.cpu": "100m"}, {THREADS: "1"}),
    Case(
        "threads-shared-by-instances",
        {"resources.requests.cpu": "8", "server.instances": 2, "server.workers": 2},
        {THREADS: "2"},
    ),
    Case(
        "threads-at-least-one",
        {"resources.requests.cpu": "2", "server.instances": 4},
        {THREADS: "1"},
    ),
    Case(
        "threads-of-the-limit",
        {"resources.limits.cpu": "2"},
        {THREADS: "0"},
    ),
    Case(
        "threads-by-hand",
        {"server.modelThreads": 3},
        {"env.MODELSERVER_MODEL_THREADS": "3"},
    ),
    Case("extra-text", {"extraEnv": {"TZ": "UTC"}}, {"env.TZ": "UTC"}),
    Case("extra-number-as-text", {"extraEnv": {"A": "1"}}, {"env.A": "1"}),
    Case("extra-empty", {"extraEnv": {"A": ""}}, {"env.A": ""}),
    Case(
        "extra-reference",
        {"extraEnv": {"A": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}}},
        {"env.A": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ),
)
def test_environment(render: Callable[..., Rendered], case: Case) -> None:
    """Every value becomes the text that the server's settings take."""
    check(render, case)


@cases(
    Case("no-gpu", {}, {f"server.resources.limits.[{GPU}]": ABSENT, "pod.tolerations": ABSENT}),
    Case("one", {"gpu.enabled": True}, {f"server.resources.limits.[{GPU}]": 1}),
    Case(
        "keeps-limits",
        {"gpu.enabled": True},
        {"server.resources.limits": {"memory": "2Gi", GPU: 1}},
    ),
    Case("device", {"gpu.enabled": True}, {"env.MODELSERVER_DEVICE": "cuda"}),
    Case("taints-of-aks", {"gpu.enabled": True}, {"pod.tolerations": AKS_TAINTS}),
    Case(
        "taints-and-own",
        {"gpu.enabled": True, "tolerations": [TAINT]},
        {"pod.tolerations": [TAINT, *AKS_TAINTS]},
    ),
    Case(
        "other-taints",
        {"gpu.enabled": True, "gpu.tolerations": [TAINT]},
        {"pod.tolerations": [TAINT]},
    ),
    Case(
        "mig",
        {"gpu.enabled": True, "gpu.resource": "nvidia.com/mig-1g.10gb"},
        {
            "server.resources.limits.[nvidia.com/mig-1g.10gb]": 1,
            f"server.resources.limits.[{GPU}]": ABSENT,
        },
    ),
    Case(
        "runtimeClass",
        {"gpu.enabled": True, "gpu.runtimeClassName": "nvidia"},
        {"pod.runtimeClassName": "nvidia"},
    ),
    Case(
        "runtimeClass-needs-gpu",
        {"gpu.runtimeClassName": "nvidia"},
        {"pod.runtimeClassName": ABSENT},
    ),
    Case("no-label-selector", {"gpu.enabled": True}, {"pod.nodeSelector": ABSENT}),
    Case(
        "no-limits-of-its-own",
        {"gpu.enabled": True, "resources.limits": {"memory": None}},
        {"server.resources.limits": {GPU: 1}},
    ),
    Case(
        "test-pod-takes-no-gpu",
        {"gpu.enabled": True},
        {
            "Pod.spec.containers.[0].resources.limits": {"memory": "512Mi"},
            "Pod.spec.tolerations": AKS_TAINTS,
        },
    ),
)
def test_gpu(render: Callable[..., Rendered], case: Case) -> None:
    """One GPU for each pod, on the pools of AKS, and never the CPU in its place."""
    check(render, case)


@cases(
    Case("nodeSelector", {"nodeSelector": {"a": "b"}}, {"pod.nodeSelector": {"a": "b"}}),
    Case("tolerations", {"tolerations": [TAINT]}, {"pod.tolerations": [TAINT]}),
    Case(
        "affinity",
        {"affinity": {"nodeAffinity": {}}},
        {"pod.affinity": {"nodeAffinity": {}}},
    ),
    Case("no-affinity", {}, {"pod.affinity": ABSENT}),
    Case(
        "spread",
        {},
        {
            "pod.topologySpreadConstraints.[0].topologyKey": "topology.kubernetes.io/zone",
            "pod.topologySpreadConstraints.[1].topologyKey": "kubernetes.io/hostname",
            "pod.topologySpreadConstraints.[0].whenUnsatisfiable": "ScheduleAnyway",
            "pod.topologySpreadConstraints.[0].matchLabelKeys": ["pod-template-hash"],
        },
    ),
    Case(
        "spread-own",
        {
            "topologySpreadConstraints": [
                {"maxSkew": 2, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        },
        {
            "pod.topologySpreadConstraints.[0].maxSkew": 2,
            "pod.topologySpreadConstraints.[1]": ABSENT,
        },
    ),
    Case("priority", {"priorityClassName": "high"}, {"pod.priorityClassName": "high"}),
    Case("no-priority", {}, {"pod.priorityClassName": ABSENT}),
    Case(
        "resources",
        {"resources.requests.cpu": 0.5, "resources.limits.memory": "4Gi"},
        {"server.resources.requests.cpu": 0.5, "server.resources.limits.memory": "4Gi"},
    ),
)
def test_placement(render: Callable[..., Rendered], case: Case) -> None:
    """Where pods run is the user's, with an even spread where nothing is said."""
    check(render, case)


@cases(
    Case("user", {"podSecurityContext.runAsUser": 20000}, {"pod.securityContext.runAsUser": 20000}),
    Case("fsGroup", {"podSecurityContext.fsGroup": 7}, {"pod.securityContext.fsGroup": 7}),
    Case(
        "fields-can-be-taken-away",
        {"podSecurityContext.fsGroup": None},
        {"pod.securityContext.fsGroup": ABSENT, "pod.securityContext.runAsUser": 10001},
    ),
    Case(
        "container",
        {"securityContext.readOnlyRootFilesystem": False},
        {
            "server.securityContext.readOnlyRootFilesystem": False,
            "Pod.spec.containers.[0].securityContext.readOnlyRootFilesystem": False,
        },
    ),
    Case(
        "volumes",
        {
            "extraVolumes": [{"name": "cache", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "cache", "mountPath": "/cache"}],
        },
        {
            "pod.volumes.[2]": {"name": "cache", "emptyDir": {}},
            "server.volumeMounts.[2]": {"name": "cache", "mountPath": "/cache"},
        },
    ),
    Case("mounts", {}, {"server.volumeMounts": [*MOUNTS, KEYS]}),
    Case("tmp", {}, {"pod.volumes.[0]": {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}}),
    Case(
        "object",
        {"extraObjects": [{"kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-x"}}]},
        {"ConfigMap.metadata.name": "faq-x"},
    ),
    Case(
        "object-as-text",
        {"extraObjects": ["kind: ConfigMap\nmetadata: {name: '{{ .Values.model.name }}-y'}"]},
        {"ConfigMap.metadata.name": "faq-y"},
    ),
)
def test_hatches(render: Callable[..., Rendered], case: Case) -> None:
    """What the chart does not know can be said in Kubernetes' own words."""
    check(render, case)


@pytest.mark.parametrize("enabled", [True, False])
def test_one_container(render: Callable[..., Rendered], enabled: bool) -> None:
    """Two ports, each by name; the management port is on no Service."""
    rendered = render({"gpu.enabled": enabled})
    ports = {port["name"]: port["containerPort"] for port in rendered.server["ports"]}
    assert ports == {"http": 8080, "management": 9090}
    (port,) = rendered.one("Service")["spec"]["ports"]
    assert port["targetPort"] == "http"
