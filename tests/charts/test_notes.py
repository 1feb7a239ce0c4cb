"""What Helm prints after an install: a curl line that works, and honest warnings."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.engines import Helm4, Rendered
from tests.charts.scenarios import SCENARIOS, read

KEY = '-H "Authorization: Bearer $KEY"'
CURL = "curl -s {}/v1/models/faq:predict"
NO_AUTH = {"auth.enabled": False, "auth.keys": None}
LOAD_BALANCER = {"service.type": "LoadBalancer", "service.sourceRanges": ["10.0.0.0/8"]}
INGRESS = {"ingress.enabled": True, "ingress.host": "a.b", "ingress.tlsSecretName": "tls"}
SHARED = {
    "gateway.enabled": True,
    "gateway.host": "c.d",
    "gateway.parentRef": {"name": "shared", "sectionName": "https"},
}
OWN = {"gateway.enabled": True, "gateway.host": "c.d", "gateway.tls.secretName": "tls"}
GPU_SCALED = {"gpu.enabled": True, "autoscaling.enabled": True}


@pytest.mark.parametrize(
    ("changes", "there", "not_there"),
    [
        ({}, "port-forward service/faq-scoring 8080:80", "https://"),
        ({}, CURL.format("http://localhost:8080"), "WARNING"),
        ({}, KEY, "$HOST"),
        ({}, "KEY is the key of client webshop; the cluster has its SHA-256 only", "WARNING"),
        ({"service.port": 8000}, "8080:8000", "8080:80\n"),
        (NO_AUTH, "WARNING: auth.enabled is false", KEY),
        (OWN, CURL.format("https://c.d"), "port-forward"),
        (SHARED, "WARNING: plain HTTP is not redirected", "port-forward"),
        (OWN, "rollout status deployment/faq-scoring", "not redirected"),
        (INGRESS, CURL.format("https://a.b"), "port-forward"),
        ({**INGRESS, **OWN}, CURL.format("https://c.d"), "https://a.b"),
        (LOAD_BALANCER, CURL.format("http://$HOST:80"), "port-forward"),
        (LOAD_BALANCER, "WARNING: the load balancer has no TLS", "allowAll"),
        (
            {"service.type": "LoadBalancer", "service.allowAll": True},
            "WARNING: service.allowAll is true: every address may connect",
            "port-forward",
        ),
        ({"replicas": 1}, "WARNING: there may be fewer than two pods", "GPU"),
        ({"gpu.enabled": True}, "WARNING: a rollout replaces one pod at a time", "CPU only"),
        (GPU_SCALED, "WARNING: pods scale on CPU only", "metrics adapter"),
        ({**GPU_SCALED, "autoscaling.targetInflight": 4}, "metrics adapter", "CPU only"),
        ({}, "NOTE: the NetworkPolicy counts only where", "WARNING: there is no NetworkPolicy"),
        ({"networkPolicy.enabled": False}, "WARNING: there is no NetworkPolicy", "counts only"),
        ({}, "NOTE: nothing reads the metrics", "autoscaler's"),
        ({"autoscaling.enabled": True}, "the number of pods is the autoscaler's", "adapter"),
        ({}, "helm test faq -n ns", "auth.enabled is false"),
        ({}, "NOTE: without test.keySecret.name", "WARNING"),
        ({"test.keySecret.name": "k"}, "helm test faq -n ns", "test.keySecret.name"),
        ({"test.enabled": False}, "Score:", "helm test"),
        (
            {"auth.keys": None, "auth.existingSecret": "mine"},
            "whose SHA-256 is in the Secret mine",
            "of client",
        ),
        (
            {
                "metrics.monitor": {"enabled": True, "apiVersion": "azmonitoring.coreos.com/v1"},
                "metrics.rules.enabled": True,
            },
            "WARNING: Azure Monitor does not read a PrometheusRule",
            "nothing reads",
        ),
        (
            {"model.example": {"contentType": "image/jpeg", "data": "@it's.jpg"}},
            "-H 'Content-Type: image/jpeg' --data-binary '@it'\\''s.jpg'",
            "application/json",
        ),
    ],
)
def test_notes(
    render: Callable[..., Rendered], changes: dict[str, Any], there: str, not_there: str
) -> None:
    """Each warning appears when it holds, and not otherwise."""
    notes = render(changes).notes
    assert there in notes
    assert not_there not in notes


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_gaps(helm4: Helm4, scenario: str) -> None:
    """The text has no hole where a value should be, and no run of blank lines."""
    notes = helm4.render(read(SCENARIOS[scenario])).notes
    assert "<no value>" not in notes
    assert "%!" not in notes
    assert "\n\n\n" not in notes
    assert notes.count("curl -s ") == 1
