"""Helm 3 and Helm 4 lint, render and pack the chart, and agree on every object."""

from pathlib import Path

import pytest
import yaml

from modelserver import __version__
from tests.charts.engines import CHART, KUBERNETES, Helm3, Helm4, Refused
from tests.charts.scenarios import SCENARIOS, read


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_objects(helm3: Helm3, helm4: Helm4, name: str) -> None:
    """Helm 3 makes of values files what Helm 4 makes of the merged values."""
    files = SCENARIOS[name]
    assert helm3.render(files).objects == helm4.render(read(files)).objects


@pytest.mark.parametrize("name", SCENARIOS)
def test_lint(helm3: Helm3, helm4: Helm4, name: str) -> None:
    """Neither engine has anything to say about a scenario."""
    options = [option for file in SCENARIOS[name] for option in ("-f", file)]
    done = helm3.run("lint", "--strict", CHART, *options)
    assert done.returncode == 0, done.stdout
    found = helm4.ask("lint", chart=str(CHART), values=read(SCENARIOS[name]))["messages"]
    assert [message for message in found if message["severity"] > 1] == []


def test_package(helm3: Helm3, helm4: Helm4, tmp_path: Path) -> None:
    """Both engines pack the chart, and what is packed renders as the folder does."""
    (tmp_path / "3").mkdir()
    (tmp_path / "4").mkdir()
    assert helm3.run("package", CHART, "-d", tmp_path / "3").returncode == 0
    helm4.ask("package", chart=str(CHART), folder=str(tmp_path / "4"))
    files = SCENARIOS["monitoring"]
    expected = helm4.render(read(files)).objects
    for folder in ("3", "4"):
        (archive,) = (tmp_path / folder).glob("scoring-*.tgz")
        assert helm3.render(files, chart=archive).objects == expected
        assert helm4.render(read(files), chart=archive).objects == expected


@pytest.mark.parametrize("version", ["1.29.9", "1.30.0", "1.37.0"])
def test_kubernetes_version(helm3: Helm3, version: str) -> None:
    """Kubernetes 1.30 is the oldest that the chart goes to."""
    if version < "1.30":
        with pytest.raises(Refused, match="incompatible with Kubernetes"):
            helm3.render(SCENARIOS["faq-cpu"], version=version)
    else:
        assert helm3.render(SCENARIOS["faq-cpu"], version=version).objects


def test_image_volume_needs_kubernetes(helm3: Helm3) -> None:
    """A cluster without image volumes is told so, not sent a pod that it refuses later."""
    with pytest.raises(Refused, match=r"oci, which needs Kubernetes 1\.33; this is v1\.32\.0"):
        helm3.render(SCENARIOS["oci"], version="1.32.0")
    assert helm3.render(SCENARIOS["oci"], version="1.33.0").objects


def test_same_refusals(helm3: Helm3, helm4: Helm4, tmp_path: Path) -> None:
    """Words of the chart come out of both engines alike; all refusals come at once."""
    bad = {"image": {"tag": "latest"}, "gateway": {"enabled": True}}
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(bad))
    messages = []
    for run in (lambda: helm3.render([file]), lambda: helm4.render(bad)):
        with pytest.raises(Refused) as caught:
            run()
        messages.append([row for row in str(caught.value).splitlines() if row.startswith("- ")])
    assert messages[0] == messages[1]
    assert len(messages[0]) == 6


def test_versions() -> None:
    """The chart is made for this version of the server, which is also its default image tag."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__
    assert KUBERNETES.startswith("1.36")


def test_subchart(helm4: Helm4, tmp_path: Path) -> None:
    """Twice below an umbrella chart, with global values: two sets of objects, by alias."""
    umbrella = tmp_path / "umbrella"
    (umbrella / "charts").mkdir(parents=True)
    (umbrella / "charts" / "scoring").symlink_to(CHART)
    aliases = ("faq", "images")
    (umbrella / "Chart.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v2",
                "name": "umbrella",
                "version": "1.0.0",
                "dependencies": [
                    {
                        "name": "scoring",
                        "version": "*",
                        "alias": alias,
                        "condition": f"{alias}.enabled",
                    }
                    for alias in aliases
                ],
            }
        )
    )
    values = {"image": {"repository": "x"}, "auth": {"enabled": False}, "enabled": True}
    both = {alias: {**values, "model": {"name": alias}} for alias in aliases}
    objects = helm4.render({**both, "global": {"team": "search"}}, chart=umbrella).objects
    names = [item["metadata"]["name"] for item in objects if item["kind"] == "Deployment"]
    assert names == ["faq-faq", "faq-images"]
    selectors = [item["spec"]["selector"] for item in objects if item["kind"] == "Service"]
    assert selectors[0] != selectors[1]
    both["images"]["enabled"] = False
    assert len(helm4.render(both, chart=umbrella).all("Deployment")) == 1
