"""The deployment pages, followed from top to bottom as a new user would: nothing is left to guess.

Azure and the cluster are stand-ins. Every other command runs, and each call to a stand-in is held
against the program itself: az against azure-cli's options, charts by Helm, kubectl by kubectl.
"""

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.schemas import VERSIONS, faults
from tests.docs import az
from tests.docs.pages import az_commands
from tests.docs.walk import Walk, helm, kubectl, missing, template, walk

PAGES = ["aks.md", "kubernetes.md"]
SHARED_TABLE = Path(__file__).parents[3] / "shared" / "tools" / "az-args.json"


@pytest.fixture(scope="module")
def follow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Walk]:
    """Follow a page, once."""
    if reason := missing():
        pytest.skip(reason)
    return functools.cache(lambda page: walk(page, tmp_path_factory.mktemp("walk")))


@pytest.fixture(params=PAGES)
def walked(request: pytest.FixtureRequest, follow: Callable[[str], Walk]) -> Walk:
    """A page after its last command; the commands of ours among them have run."""
    return follow(request.param)


@pytest.mark.parametrize("page", PAGES)
def test_az_lines(page: str) -> None:
    """Every az command of a page is one that azure-cli takes, without running anything."""
    found = [fault for words in az_commands(page) for fault in az.faults(words, az.table())]
    assert found == []


def test_az_calls(walked: Walk) -> None:
    """Also with the values that the page itself has put into them."""
    calls = [call["arguments"] for call in walked.of("az")]
    assert [fault for words in calls for fault in az.faults(words, az.table())] == []


def test_charts_render(walked: Walk) -> None:
    """Every release of a page renders, and the API server would take its objects."""
    commands = list(filter(None, (template(call["arguments"]) for call in walked.of("helm"))))
    assert commands
    for words in commands:
        done = helm(words, walked.folder)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        objects = [item for item in yaml.safe_load_all(done.stdout) if item]
        assert any(item["kind"] == "Deployment" for item in objects)
        assert [fault for item in objects for fault in faults(item, VERSIONS[-2])] == []


def test_helm_commands(walked: Walk) -> None:
    """Every other helm command is one that helm has, with its options."""
    for call in walked.of("helm"):
        if template(call["arguments"]) or call["arguments"][0] == "template":
            continue
        done = helm([*call["arguments"], "--help"], walked.folder)
        assert done.returncode == 0, done.stderr
        flags = re.findall(r"--[a-z-]+", " ".join(call["arguments"]))
        assert [flag for flag in flags if flag not in done.stdout] == []


def test_kubectl_calls(walked: Walk) -> None:
    """kubectl understands every command and gets as far as looking for the cluster."""
    assert [text for call in walked.of("kubectl") if (text := kubectl(call, walked.folder))] == []


def test_applied_objects(walked: Walk) -> None:
    """What a page applies is what the API server takes."""
    texts = [call["stdin"] for call in walked.of("kubectl") if "apply" in call["arguments"]]
    objects = [item for text in texts for item in yaml.safe_load_all(text) if item]
    known = [item for item in map(_without_kserve, objects) if item]
    assert [fault for item in known for fault in faults(item, VERSIONS[-2])] == []


def _without_kserve(item: Any) -> Any:
    """A ServingRuntime as the pod in it; None for kinds whose schema no package has."""
    if item["kind"] == "ServingRuntime":
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "runtime"}}
        return pod | {"spec": {"containers": item["spec"]["containers"]}}
    return None if item["kind"] in ("InferenceService", "HealthCheckPolicy") else item


def test_alerts_reach_azure(follow: Callable[[str], Walk]) -> None:
    """The chart's alerts become a rule group: all, named apart, on one line, with a severity."""
    folder = follow("aks.md").folder
    (rules,) = yaml.safe_load_all((folder / "rules.yaml").read_text())
    made = json.loads((folder / "rules.json").read_text())
    (group,) = made["resources"]
    alerts = group["properties"]["rules"]
    assert len(alerts) == len(rules["spec"]["groups"][0]["rules"]) > 5
    assert len({alert["alert"] for alert in alerts}) == len(alerts)
    for alert in alerts:
        assert "\n" not in alert["expression"]
        assert re.fullmatch(r"PT\d+[SMH]", alert["for"])
        assert alert["severity"] in (1, 2)
        assert alert["actions"][0]["actionGroupId"].startswith("/subscriptions/")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("group create --name x --location y", []),
        ("group create --name x", ["--location is missing"]),
        ("group create --name x --location", ["--location needs a value"]),
        ("group create --name x --location y --colour red", ["no option --colour"]),
        ("acr create --name x --resource-group y --sku Huge", ["--sku: Huge is not one of"]),
        ("group delete --name x --yes maybe", ["--yes takes no value"]),
        ("group destroy --name x", ["unknown command"]),
    ],
)
def test_the_table_refuses(words: str, fault: list[str]) -> None:
    """The check of az commands finds each kind of mistake."""
    found = az.faults(words.split(), az.table())
    assert len(found) == len(fault)
    assert all(part in text for part, text in zip(fault, found, strict=True))


def test_the_table_is_azures() -> None:
    """Our small table says what the large one of the same azure-cli says."""
    if not SHARED_TABLE.exists():
        pytest.skip(f"{SHARED_TABLE} does not exist")
    theirs = json.loads(SHARED_TABLE.read_text())["commands"]
    both = theirs.keys() & az.table().keys()
    assert len(both) > 20
    for name in both:
        options = {text: facts for facts in theirs[name].values() for text in facts["opts"]}
        for option, facts in az.table()[name].items():
            assert option in options, f"az {name} {option}"
            assert bool(facts.get("switch")) == (options[option].get("nargs") == 0)
            # Theirs also counts what --ids can stand in for.
            assert options[option].get("required") or not facts.get("required")
