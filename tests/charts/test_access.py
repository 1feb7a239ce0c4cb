"""Who reaches the server: Service, gateway, Ingress, keys, network policy, accounts, rights."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.engines import Helm4, Rendered
from tests.charts.scenarios import SCENARIOS, read
from tests.charts.tables import ABSENT, Case, cases, check, look

ONE, TWO = "11" * 32, "22" * 32
GATEWAY = {
    "gateway.enabled": True,
    "gateway.host": "scoring.example.com",
    "gateway.tls.secretName": "tls",
}
SHARED = {
    "gateway.enabled": True,
    "gateway.host": "scoring.example.com",
    "gateway.parentRef.name": "shared",
    "gateway.parentRef.sectionName": "https",
}
INGRESS = {"ingress.enabled": True, "ingress.host": "a.b", "ingress.tlsSecretName": "tls"}
LOAD_BALANCER = {"service.type": "LoadBalancer", "service.sourceRanges": ["10.0.0.0/8"]}
PATH = {"type": "PathPrefix", "value": "/"}


@cases(
    Case(
        "inside",
        {},
        {
            "Service.spec.type": "ClusterIP",
            "Service.spec.ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            "Service.spec.externalTrafficPolicy": ABSENT,
            "Service.metadata.annotations": ABSENT,
        },
    ),
    Case("port", {"service.port": 8000}, {"Service.spec.ports.[0].port": 8000}),
    Case(
        "load-balancer",
        LOAD_BALANCER,
        {
            "Service.spec.type": "LoadBalancer",
            "Service.spec.loadBalancerSourceRanges": ["10.0.0.0/8"],
            "Service.spec.externalTrafficPolicy": "Local",
        },
    ),
    Case(
        "traffic-policy",
        {**LOAD_BALANCER, "service.externalTrafficPolicy": "Cluster"},
        {"Service.spec.externalTrafficPolicy": "Cluster"},
    ),
    Case(
        "open",
        {"service.type": "LoadBalancer", "service.allowAll": True},
        {"Service.spec.loadBalancerSourceRanges": ABSENT},
    ),
    Case(
        "annotations",
        {"service.annotations": {"a/b": "true"}},
        {"Service.metadata.annotations": {"a/b": "true"}},
    ),
    Case(
        "ingress",
        INGRESS,
        {
            "Ingress.spec.tls": [{"hosts": ["a.b"], "secretName": "tls"}],
            "Ingress.spec.rules.[0].host": "a.b",
            "Ingress.spec.ingressClassName": ABSENT,
            "Ingress.spec.rules.[0].http.paths.[0].backend.service": {
                "name": "faq-scoring",
                "port": {"name": "http"},
            },
        },
    ),
    Case(
        "ingress-class",
        {**INGRESS, "ingress.className": "nginx", "ingress.annotations": {"a": "b"}},
        {"Ingress.spec.ingressClassName": "nginx", "Ingress.metadata.annotations": {"a": "b"}},
    ),
    Case(
        "ingress-paths",
        {**INGRESS, "ingress.paths": ["/a", "/b"]},
        {
            "Ingress.spec.rules.[0].http.paths.[1].path": "/b",
            "Ingress.spec.rules.[0].http.paths.[1].pathType": "Prefix",
        },
    ),
    Case("no-way-in", {}, {"Ingress": ABSENT, "HTTPRoute": ABSENT, "Gateway": ABSENT}),
)
def test_service(render: Callable[..., Rendered], case: Case) -> None:
    """Nothing leaves the cluster unless it is said by name."""
    check(render, case)


def routes(rendered: Rendered) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The route to the Service, and the redirect if there is one."""
    by_name = {route["metadata"]["name"]: route["spec"] for route in rendered.all("HTTPRoute")}
    return by_name["faq-scoring"], by_name.get("faq-scoring-redirect")


def test_own_gateway(render: Callable[..., Rendered]) -> None:
    """The chart's own Gateway ends TLS, and plain HTTP is redirected, never served."""
    rendered = render(GATEWAY)
    listeners = {row["name"]: row for row in rendered.one("Gateway")["spec"]["listeners"]}
    assert listeners["https"]["tls"] == {"mode": "Terminate", "certificateRefs": [{"name": "tls"}]}
    assert {row["hostname"] for row in listeners.values()} == {"scoring.example.com"}
    route, redirect = routes(rendered)
    assert route["parentRefs"] == [{"name": "faq-scoring", "sectionName": "https"}]
    assert route["rules"][0]["backendRefs"] == [{"name": "faq-scoring", "port": 80}]
    assert redirect is not None
    assert redirect["parentRefs"] == [{"name": "faq-scoring", "sectionName": "http"}]
    assert "backendRefs" not in redirect["rules"][0]
    assert redirect["rules"][0]["filters"][0]["requestRedirect"]["scheme"] == "https"


def test_key_vault(render: Callable[..., Rendered]) -> None:
    """TLS options are templated, so that they can name the release's account."""
    options = {"kubernetes.azure.com/x": '{{ include "scoring.serviceAccountName" . }}'}
    changes = {**GATEWAY, "gateway.tls": {"secretName": "", "options": options}}
    tls = look(render(changes), "Gateway.spec.listeners.[1].tls")
    assert tls == {"mode": "Terminate", "options": {"kubernetes.azure.com/x": "faq-scoring"}}


def test_shared_gateway(render: Callable[..., Rendered]) -> None:
    """An existing Gateway is attached to, by its HTTPS listener alone."""
    rendered = render({**SHARED, "gateway.parentRef.namespace": "infra"})
    assert rendered.all("Gateway") == []
    route, redirect = routes(rendered)
    parent = {"name": "shared", "namespace": "infra", "sectionName": "https"}
    assert route["parentRefs"] == [parent]
    assert redirect is None
    _, redirect = routes(render({**SHARED, "gateway.parentRef.httpSectionName": "web"}))
    assert redirect is not None
    assert redirect["parentRefs"] == [{"name": "shared", "sectionName": "web"}]


def test_canary(render: Callable[..., Rendered]) -> None:
    """A second release gets its share of the requests, and this one the rest."""
    changes = {"gateway.canary": {"serviceName": "next", "port": 81, "weight": 5}}
    route, _ = routes(render({**GATEWAY, **changes}))
    assert route["rules"][0]["backendRefs"] == [
        {"name": "faq-scoring", "port": 80, "weight": 95},
        {"name": "next", "port": 81, "weight": 5},
    ]


def test_route_details(render: Callable[..., Rendered]) -> None:
    """Paths, time limit, class and annotations go where they belong."""
    more = {
        "gateway.paths": ["/a", "/b"],
        "gateway.timeoutSeconds": 7,
        "gateway.className": "istio",
        "gateway.annotations": {"a": "b"},
    }
    rendered = render({**GATEWAY, **more})
    route, redirect = routes(rendered)
    paths = [{"path": {**PATH, "value": "/a"}}, {"path": {**PATH, "value": "/b"}}]
    assert redirect is not None
    assert route["rules"][0]["matches"] == redirect["rules"][0]["matches"] == paths
    assert route["rules"][0]["timeouts"] == {"request": "7s"}
    assert look(rendered, "Gateway.spec.gatewayClassName") == "istio"
    assert look(rendered, "Gateway.metadata.annotations") == {"a": "b"}


def decoded(rendered: Rendered) -> dict[str, list[str]]:
    """Client to the lines of its entry."""
    data = rendered.one("Secret")["data"]
    return {name: base64.b64decode(text).decode().splitlines() for name, text in data.items()}


def test_keys(render: Callable[..., Rendered]) -> None:
    """One entry a client, one digest a line; a list lets two keys count while one is replaced."""
    rendered = render({"auth.keys": {"a": ONE, "b": [ONE, TWO]}})
    assert decoded(rendered) == {"webshop": ["ab" * 32], "a": [ONE], "b": [ONE, TWO]}


@cases(
    Case(
        "mounted",
        {},
        {
            "pod.volumes.[1]": {
                "name": "api-keys",
                "secret": {"secretName": "faq-scoring-api-keys", "defaultMode": 0o440},
            }
        },
    ),
    Case(
        "existing",
        {"auth.keys": None, "auth.existingSecret": "mine"},
        {"Secret": ABSENT, "pod.volumes.[1].secret.secretName": "mine"},
    ),
    Case(
        "off",
        {"auth.keys": None, "auth.enabled": False},
        {"Secret": ABSENT, "pod.volumes.[1]": ABSENT, "server.volumeMounts.[1]": ABSENT},
    ),
)
def test_keys_secret(render: Callable[..., Rendered], case: Case) -> None:
    """Keys come from the release's Secret or an existing one; without auth nothing is mounted."""
    check(render, case)


SCORING, METRICS = "NetworkPolicy.spec.ingress.[0]", "NetworkPolicy.spec.ingress.[1]"
PEER = {"podSelector": {"matchLabels": {"a": "b"}}}
TEST_PEER = {
    "podSelector": {
        "matchLabels": {
            "app.kubernetes.io/instance": "faq",
            "app.kubernetes.io/component": "test",
        }
    }
}
DOWNLOAD = {
    "model.source.type": "url",
    "model.source.sha256": ONE,
    "model.source.url": "https://a.b/c",
}
OUT = "NetworkPolicy.spec.egress"


@cases(
    Case(
        "default",
        {},
        {
            "NetworkPolicy.spec.policyTypes": ["Ingress", "Egress"],
            SCORING: {"ports": [{"port": "http", "protocol": "TCP"}]},
            f"{METRICS}.from": [{"namespaceSelector": {}}],
            OUT: [],
        },
    ),
    Case("off", {"networkPolicy.enabled": False}, {"NetworkPolicy": ABSENT}),
    Case(
        "scoring-peers-and-helm-test",
        {"networkPolicy.scoringFrom": [PEER]},
        {f"{SCORING}.from": [PEER, TEST_PEER]},
    ),
    Case(
        "no-helm-test",
        {"networkPolicy.scoringFrom": [PEER], "test.enabled": False},
        {f"{SCORING}.from": [PEER]},
    ),
    Case(
        "metrics-peers",
        {"networkPolicy.metricsFrom": [PEER]},
        {f"{METRICS}.from": [PEER], f"{SCORING}.from": ABSENT},
    ),
    Case("download", DOWNLOAD, {f"{OUT}.[0].ports.[2]": {"port": 443, "protocol": "TCP"}}),
    Case(
        "download-port",
        {**DOWNLOAD, "model.source.url": "https://a.b:8443/c"},
        {f"{OUT}.[0].ports.[2]": {"port": 8443, "protocol": "TCP"}},
    ),
    Case(
        "egress",
        {"networkPolicy.egress": [{"to": [PEER]}]},
        {OUT: [{"to": [PEER]}]},
    ),
    Case(
        "egress-and-download",
        {**DOWNLOAD, "networkPolicy.egress": [{"to": [PEER]}]},
        {f"{OUT}.[1]": {"to": [PEER]}, f"{OUT}.[2]": ABSENT},
    ),
)
def test_network_policy(render: Callable[..., Rendered], case: Case) -> None:
    """Two ports in, nothing out but for a download."""
    check(render, case)


IDENTITY = "12345678-1234-1234-1234-123456789abc"
USE = "Deployment.spec.template.metadata.labels.[azure.workload.identity/use]"
CLIENT_ID = "ServiceAccount.metadata.annotations.[azure.workload.identity/client-id]"


@cases(
    Case(
        "made",
        {},
        {
            "ServiceAccount.metadata.name": "faq-scoring",
            "ServiceAccount.metadata.annotations": ABSENT,
            "pod.serviceAccountName": "faq-scoring",
        },
    ),
    Case(
        "named",
        {"serviceAccount.name": "mine"},
        {"ServiceAccount.metadata.name": "mine", "pod.serviceAccountName": "mine"},
    ),
    Case(
        "default",
        {"serviceAccount.create": False},
        {"ServiceAccount": ABSENT, "pod.serviceAccountName": "default"},
    ),
    Case(
        "existing",
        {"serviceAccount.create": False, "serviceAccount.name": "mine"},
        {"ServiceAccount": ABSENT, "pod.serviceAccountName": "mine"},
    ),
    Case(
        "annotations",
        {"serviceAccount.annotations": {"a": "b"}},
        {"ServiceAccount.metadata.annotations": {"a": "b"}},
    ),
    Case(
        "identity",
        {"azure.workloadIdentityClientId": IDENTITY},
        {CLIENT_ID: IDENTITY, USE: "true"},
    ),
    Case(
        "identity-and-annotations",
        {"azure.workloadIdentityClientId": IDENTITY, "serviceAccount.annotations": {"a": "b"}},
        {CLIENT_ID: IDENTITY, "ServiceAccount.metadata.annotations.a": "b"},
    ),
    Case(
        "identity-of-an-existing-account",
        {
            "azure.workloadIdentityClientId": IDENTITY,
            "serviceAccount": {"create": False, "name": "mine"},
        },
        {USE: "true"},
    ),
    Case("no-identity", {}, {USE: ABSENT}),
    Case(
        "binding",
        {"rbac.bindings": [{"group": "g", "role": "view"}]},
        {
            "RoleBinding.roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "view",
            },
            "RoleBinding.subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "g"}
            ],
        },
    ),
    Case("no-binding", {}, {"RoleBinding": ABSENT}),
)
def test_accounts(render: Callable[..., Rendered], case: Case) -> None:
    """The pods' account has no rights; people's rights are bound in this namespace only."""
    check(render, case)


def test_bindings_have_names_of_their_own(render: Callable[..., Rendered]) -> None:
    """The same group may have two roles, and a role two groups."""
    bindings = [{"group": group, "role": role} for group in "ab" for role in ("view", "edit")]
    made = render({"rbac.bindings": bindings}).all("RoleBinding")
    assert len({item["metadata"]["name"] for item in made}) == 4


def matches(prefix: str, path: str) -> bool:
    """Whether a PathPrefix of Gateway API, or a Prefix of an Ingress, takes a path: by segments."""
    segments = prefix.strip("/").split("/")
    return segments == [""] or path.strip("/").split("/")[: len(segments)] == segments


@pytest.mark.parametrize("scenario", ["shared-gateway", "ingress"])
def test_paths_of_a_model(helm4: Helm4, scenario: str) -> None:
    """The paths that a shared host is told to use cover every form of a scoring request."""
    values = read(SCENARIOS[scenario])
    paths = values[scenario.removeprefix("shared-")]["paths"]
    assert helm4.render(values).objects
    forms = ("v1/models/{}:predict", "v1/models/{}/versions/1:predict", "v1/models/{}")
    for form in (*forms, "v2/models/{}/infer", "v2/models/{}/versions/1/infer"):
        assert any(matches(prefix, form.format("faq")) for prefix in paths), form
        assert not any(matches(prefix, form.format("faq2")) for prefix in paths), form
