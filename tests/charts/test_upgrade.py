"""`helm upgrade` reads well: a small change touches few objects, and pods only when it must."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.charts.engines import CHART, Helm4, Object, Rendered
from tests.charts.scenarios import SCENARIOS, changed, read

Key = tuple[str, str]
DEPLOYMENT, TEST_POD = ("Deployment", "faq-scoring"), ("Pod", "faq-scoring-test")
ONE, TWO = "11" * 32, "22" * 32


def by_name(rendered: Rendered) -> dict[Key, Object]:
    """The objects of a release."""
    return {(item["kind"], item["metadata"]["name"]): item for item in rendered.objects}


def changes(before: Rendered, after: Rendered) -> dict[Key, list[str]]:
    """The paths that differ in each object that differs."""
    old, new = by_name(before), by_name(after)
    found = {key: differences(old.get(key), new.get(key)) for key in old.keys() | new.keys()}
    return {key: sorted(paths) for key, paths in found.items() if paths}


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Paths at which two values differ; a list's items are numbered."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = old.keys() | new.keys()
        return [
            row for key in keys for row in differences(old.get(key), new.get(key), f"{path}.{key}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [row for i, (a, b) in pairs for row in differences(a, b, f"{path}.{i}")]
    return [path] if old != new else []


POD = ".spec.template.spec"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"image.tag": "2"},
            {DEPLOYMENT: [f"{POD}.containers.0.image"], TEST_POD: [".spec.containers.0.image"]},
        ),
        ({"image.digest": f"sha256:{ONE}"}, {DEPLOYMENT: [f"{POD}.containers.0.image"]}),
        ({"model.name": "other"}, {TEST_POD: [".spec.containers.0.args.1"]}),
        ({"auth.keys": {"webshop": ONE}}, {("Secret", "faq-scoring-api-keys"): [".data.webshop"]}),
        ({"auth.keys": {"more": ONE}}, {("Secret", "faq-scoring-api-keys"): [".data.more"]}),
        ({"replicas": 3}, {DEPLOYMENT: [".spec.replicas"]}),
        (
            {"server.maxInstances": 7},
            {DEPLOYMENT: [f"{POD}.containers.0.env"]},
        ),
        ({"service.port": 81}, {("Service", "faq-scoring"): [".spec.ports.0.port"]}),
        (
            {"rbac.bindings": [{"group": "g", "role": "view"}]},
            {("RoleBinding", "faq-scoring-*"): [""]},
        ),
    ],
    ids=str,
)
def test_small_changes(
    render: Callable[..., Rendered], change: dict[str, Any], expected: dict[Key, list[str]]
) -> None:
    """Model, image, keys, replicas: nothing changes but what has to."""
    found = changes(render(), render(change))
    named = {(kind, name): paths for (kind, name), paths in found.items()}
    for kind, name in expected:
        if name.endswith("*"):
            (match,) = [key for key in named if key[0] == kind]
            named[kind, name] = named.pop(match)
    # The pod of `helm test` is no part of the running release.
    if TEST_POD not in expected:
        named.pop(TEST_POD, None)
    assert named == expected


def test_new_model(helm4: Helm4) -> None:
    """Another download changes its address and hash, which rolls the pods, and nothing else."""
    values = read(SCENARIOS["monitoring"])
    other = {
        "model.source.url": "https://models.example.com:8443/faq-2.tar.gz",
        "model.source.sha256": ONE,
    }
    found = changes(helm4.render(values), helm4.render(changed(values, other)))
    found.pop(TEST_POD)
    arguments = [f"{POD}.initContainers.0.args.{place}" for place in (0, 1)]
    assert found == {DEPLOYMENT: arguments}


def test_key_rotation_restarts_nothing(render: Callable[..., Rendered]) -> None:
    """Old and new key side by side, then the old one gone: the Secret changes, the pods do not."""
    steps = [{"auth.keys": {"webshop": keys}} for keys in (ONE, [ONE, TWO], TWO)]
    rendered = [render(step) for step in steps]
    for before, after in pairwise(rendered):
        assert changes(before, after).keys() == {("Secret", "faq-scoring-api-keys")}


def test_new_chart_version_restarts_nothing(helm4: Helm4, tmp_path: Path) -> None:
    """A chart with another version number alone leaves the pods as they are."""
    copy = tmp_path / "scoring"
    shutil.copytree(CHART, copy)
    text = (copy / "Chart.yaml").read_text()
    (copy / "Chart.yaml").write_text(text.replace("version: 0.1.0", "version: 0.2.0", 1))
    values = changed(read(SCENARIOS["monitoring"]), {"image.tag": "1"})
    found = changes(helm4.render(values), helm4.render(values, chart=copy))
    assert {path for paths in found.values() for path in paths} == {
        ".metadata.labels.helm.sh/chart"
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rendering_is_stable(helm4: Helm4, scenario: str) -> None:
    """The same values give the same objects: nothing is random, no order changes."""
    values = read(SCENARIOS[scenario])
    assert helm4.render(values) == helm4.render(values)
