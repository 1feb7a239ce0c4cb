"""Names, labels and images: unique, within their limits, and stable."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.charts.engines import Helm4, Rendered
from tests.charts.scenarios import SCENARIOS, read
from tests.charts.tables import ABSENT, Case, cases, check

INSTANCE = "[app.kubernetes.io/instance]"
NAME = "[app.kubernetes.io/name]"
DIGEST = "sha256:" + "a" * 64
LABELS = "Deployment.spec.template.metadata.labels"
ANNOTATIONS = "Deployment.spec.template.metadata.annotations"


@cases(
    Case("release-and-chart", {}, {"Deployment.metadata.name": "faq-scoring"}),
    Case(
        "no-repetition-dropped",
        {},
        {"Service.metadata.name": "scoring-scoring"},
        {"name": "scoring"},
    ),
    Case("nameOverride", {"nameOverride": "api"}, {"Service.metadata.name": "faq-api"}),
    Case("nameOverride-label", {"nameOverride": "api"}, {f"{LABELS}.{NAME}": "api"}),
    Case("fullnameOverride", {"fullnameOverride": "api"}, {"Service.metadata.name": "api"}),
    Case(
        "fullnameOverride-keeps-selector",
        {"fullnameOverride": "api"},
        {f"Service.spec.selector.{INSTANCE}": "faq", f"Service.spec.selector.{NAME}": "scoring"},
    ),
    Case("namespace", {}, {"Secret.metadata.namespace": "other"}, {"namespace": "other"}),
    Case("keys-secret", {}, {"Secret.metadata.name": "faq-scoring-api-keys"}),
    Case(
        "no-chart-label-on-pods",
        {},
        {f"{LABELS}.[helm.sh/chart]": ABSENT, f"{LABELS}.[app.kubernetes.io/version]": ABSENT},
    ),
    Case(
        "chart-label-on-objects",
        {},
        {"Deployment.metadata.labels.[helm.sh/chart]": "scoring-0.1.0"},
    ),
    Case(
        "commonLabels",
        {"commonLabels": {"team": "search"}},
        {
            "Service.metadata.labels.team": "search",
            "Secret.metadata.labels.team": "search",
            "Pod.metadata.labels.team": "search",
            f"{LABELS}.team": "search",
            "Service.spec.selector.team": ABSENT,
        },
    ),
    Case("podLabels", {"podLabels": {"team": "search"}}, {f"{LABELS}.team": "search"}),
    Case(
        "podLabels-win",
        {"podLabels": {"team": "a"}, "commonLabels": {"team": "b"}},
        {f"{LABELS}.team": "a", "Service.metadata.labels.team": "b"},
    ),
    Case("podAnnotations", {"podAnnotations": {"a/b": "c"}}, {f"{ANNOTATIONS}.[a/b]": "c"}),
    Case("no-podAnnotations", {}, {ANNOTATIONS: ABSENT}),
    Case("tag-of-the-chart", {}, {"server.image": "registry.example.com/scoring:0.1.0"}),
    Case("tag", {"image.tag": "7"}, {"server.image": "registry.example.com/scoring:7"}),
    Case(
        "digest",
        {"image.digest": DIGEST},
        {"server.image": f"registry.example.com/scoring@{DIGEST}"},
    ),
    Case(
        "digest-wins",
        {"image.digest": DIGEST, "image.tag": "7"},
        {"server.image": f"registry.example.com/scoring@{DIGEST}"},
    ),
    Case(
        "registry-with-port",
        {"image.repository": "localhost:5000/scoring", "image.tag": "7"},
        {"server.image": "localhost:5000/scoring:7"},
    ),
    Case("pullPolicy", {"image.pullPolicy": "Always"}, {"server.imagePullPolicy": "Always"}),
    Case("no-pullSecrets", {}, {"pod.imagePullSecrets": ABSENT}),
    Case(
        "pullSecrets",
        {"image.pullSecrets": ["a", "b"]},
        {
            "pod.imagePullSecrets": [{"name": "a"}, {"name": "b"}],
            "Pod.spec.imagePullSecrets": [{"name": "a"}, {"name": "b"}],
        },
    ),
    Case(
        "test-pod-has-the-same-image",
        {"image.digest": DIGEST},
        {"Pod.spec.containers.[0].image": f"registry.example.com/scoring@{DIGEST}"},
    ),
)
def test_names(render: Callable[..., Rendered], case: Case) -> None:
    """Names follow from release and chart; labels of pods never follow from the chart's version."""
    check(render, case)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("length", [1, 44, 45, 53])
def test_length(helm4: Helm4, scenario: str, length: int) -> None:
    """Release names up to Helm's limit of 53 give names within 63 characters."""
    objects = helm4.render(read(SCENARIOS[scenario]), name="a" * length).objects
    assert max(len(item["metadata"]["name"]) for item in objects) <= 63
    for item in objects:
        for value in item["metadata"].get("labels", {}).values():
            assert len(value) <= 63


PAIRS = ["a", "a-scoring", "a-scoring-scoring", "b" * 52, "b" * 53, "b" * 52 + "c", "a-test"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_two_releases(helm4: Helm4, scenario: str) -> None:
    """No two releases of a namespace have an object or a pod in common."""
    values = read(SCENARIOS[scenario])
    values.pop("serviceAccount", None)
    values["extraObjects"] = []
    seen: dict[tuple[str, str], str] = {}
    selectors = {}
    for release in PAIRS:
        rendered = helm4.render(values, name=release)
        for item in rendered.objects:
            key = item["kind"], item["metadata"]["name"]
            assert key not in seen, f"{release} and {seen[key]} both have {key}"
            seen[key] = release
        selectors[release] = rendered.one("Service")["spec"]["selector"]
    ordered = sorted(selectors.values(), key=str)
    assert all(one != other for one, other in pairwise(ordered))


@pytest.mark.parametrize("release", ["1faq", "faq.v2"])
def test_no_dns_name(refusal: Callable[..., str], release: str) -> None:
    """Helm takes release names that no Service can have; the chart says so."""
    assert "set fullnameOverride" in refusal({}, name=release)


def test_no_dns_name_way_out(render: Callable[..., Rendered]) -> None:
    """fullnameOverride makes any release name possible."""
    rendered = render({"fullnameOverride": "faq"}, name="1faq.v2")
    assert rendered.one("Service")["metadata"]["name"] == "faq"
