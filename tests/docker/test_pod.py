"""The pod that the chart renders, run by `podman play kube` as it is, but for what podman lacks."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelserver.artefact import Artefact
from tests.charts.conftest import helm3
from tests.charts.engines import CHART, Helm3, Rendered
from tests.docker.conftest import IMAGE
from tests.docker.containers import Container, Engine

__all__ = ["helm3"]

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

KEY = "a key of the test"
POD = "modelserver-test"
TAG = "test"  # the chart refuses `latest`


@pytest.fixture
def rendered(helm3: Helm3, engine: Engine, image: str, tmp_path: Path) -> Rendered:
    """The example faq-cpu.yaml with the image under test and a key that we know."""
    repository = image.removesuffix(":latest")
    engine.podman("tag", image, f"{repository}:{TAG}")
    values = {
        "image": {"repository": repository, "tag": TAG, "pullPolicy": "Never"},
        "model": {"name": "sum"},
        "auth": {"keys": {"demo": hashlib.sha256(KEY.encode()).hexdigest()}},
        "server": {"drainDelaySeconds": 1},
    }
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    return helm3.render([CHART / "examples" / "faq-cpu.yaml", path])


@pytest.fixture
def container(engine: Engine, rendered: Rendered, tmp_path: Path) -> Iterator[Container]:
    """The server's container in the running pod."""
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump(playable(rendered, tmp_path)))
    engine.podman("play", "kube", "--network=none", str(path))
    yield Container(engine, f"{POD}-scoring")
    engine.podman("pod", "rm", "--force", "--time", "0", POD, check=False)


def playable(rendered: Rendered, folder: Path) -> dict[str, Any]:
    """The Deployment's pod, without what podman 4.3 cannot do.

    In a pod without a network it cannot probe over HTTP. It does not decode Secrets, whose files
    are written here as the kubelet writes them.
    """
    template = rendered.deployment["spec"]["template"]
    for container in template["spec"]["containers"]:
        for name in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
            del container[name]
    for volume in template["spec"]["volumes"]:
        if "secret" in volume:
            target = write_secret(rendered.one("Secret"), folder / volume["name"])
            del volume["secret"]
            volume["hostPath"] = {"path": str(target), "type": "Directory"}
    metadata = {"name": POD, "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def write_secret(secret: dict[str, Any], folder: Path) -> Path:
    """The files of a mounted Secret, which any user of the pod can read."""
    folder.mkdir()
    for name, text in secret["data"].items():
        (folder / name).write_bytes(base64.b64decode(text))
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    return folder


def test_rendered_pod_scores(container: Container, models: Path) -> None:
    """With the environment, security contexts, limits and mounts of the chart, it answers right."""
    container.wait_until_ready()
    golden = Artefact.open(models / "sum" / "1").golden()
    body = json.loads(golden.request)
    assert container.request("/v1/models/sum:predict", body)[0] == 401
    status, answer = container.request("/v1/models/sum:predict", body, key=KEY)
    assert status == 200
    assert answer["predictions"] == golden.response["predictions"]


def test_rendered_pod_ends_in_its_grace_period(container: Container, rendered: Rendered) -> None:
    """SIGTERM ends the pod by itself, with 0, within the time that the chart has computed."""
    container.wait_until_ready()
    grace = rendered.pod["terminationGracePeriodSeconds"]
    assert container.stop(seconds=grace) == 0
    assert json.loads(container.log.splitlines()[-1])["event"] == "stopped"


def test_rendered_pod_runs_the_tested_image(rendered: Rendered) -> None:
    """What podman runs is the image of this build."""
    assert rendered.server["image"] == f"{IMAGE.removesuffix(':latest')}:{TAG}"
