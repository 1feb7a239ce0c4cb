"""The CPU image, built without pulling anything and run as a restricted pod would run it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from modelserver.artefact import Artefact
from tests.docker.containers import HARDENED, STANDIN, Container, Engine
from tests.docker.test_requirements import locked
from tests.modelserver.fetching.conftest import FileServer, pack, server

__all__ = ["server"]

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

Run = Callable[..., Container]


def test_serves_as_a_restricted_pod(run: Run, models: Path) -> None:
    """Ready and right as process 1: read-only root, no capability, no privilege, 512 MB, 1 CPU."""
    container = run()
    ready = container.wait_until_ready()
    assert container.request("/readyz", port=9090)[0] == 200
    golden = Artefact.open(models / "sum" / "1").golden()
    status, answer = container.request("/v1/models/sum:predict", json.loads(golden.request))
    assert status == 200
    assert answer["predictions"] == golden.response["predictions"]
    assert "try_sum" in ready


def test_has_no_privileges(run: Run) -> None:
    """Process 1 is user 10001 without any capability, and can write nowhere."""
    container = run()
    container.wait_until_ready()
    status = dict(
        line.split(":", 1)
        for line in container.python("print(open('/proc/1/status').read())").splitlines()
        if ":" in line
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    folders = ["/", "/tmp", "/models", "/opt/venv", "/var"]
    script = f"import os; print([d for d in {folders} if os.access(d, os.W_OK)])"
    assert container.python(script).strip() == "[]"


def test_sigterm_drains_and_ends_with_0(run: Run) -> None:
    """SIGTERM reaches process 1, which drains and exits 0 well before it would be killed."""
    container = run("--drain-delay-seconds", "1")
    container.wait_until_ready()
    assert container.stop(seconds=20) == 0
    events = [json.loads(line)["event"] for line in container.log.splitlines()]
    assert events[-2:] == ["draining", "stopped"]


def test_says_nothing_that_is_not_a_log_line(run: Run) -> None:
    """Every line of a whole life is one JSON object: no library complains of the read-only root."""
    container = run("--drain-delay-seconds", "0")
    container.wait_until_ready()
    container.stop(seconds=20)
    assert all(json.loads(line)["event"] for line in container.log.splitlines())


def test_mounted_models_come_before_baked_ones(run: Run, readable: Path) -> None:
    """A mounted folder is served in place of the baked one."""
    (readable / "sum" / "1").rename(readable / "sum" / ".1")
    container = run(options=("--volume", f"{readable}:/models:ro"))
    assert container.wait() == 1
    assert "no artefact" in container.log


def test_check(engine: Engine, image: str) -> None:
    """The same image verifies what is baked in, and needs no converter for it."""
    done = engine.podman("run", "--rm", *HARDENED, image, "check", "/models")
    assert done.stdout.startswith("GOOD     /models/sum/1\n")


def test_fetch(
    engine: Engine, image: str, models: Path, server: FileServer, tmp_path: Path
) -> None:
    """The same image downloads a model as an init container does, in 100 MB of memory."""
    url, sha256 = server.add("m.tgz", pack(models))
    tmp_path.chmod(0o755)
    (tmp_path / "into").mkdir()
    (tmp_path / "into").chmod(0o777)
    options = [o for o in HARDENED if not o.startswith(("--network", "--memory"))]
    options += ["--network=host", "--memory=100m", "--volume", f"{tmp_path / 'into'}:/into"]
    arguments = ["fetch", "--url", url, "--sha256", sha256, "--into", "/into", "--allow-http"]
    done = engine.podman("run", "--rm", *options, image, *arguments)
    assert done.stdout.endswith("fetch: done: /into/sum/1\n")
    Artefact.open(tmp_path / "into" / "sum" / "1").verify()


def test_damaged_model_does_not_become_an_image(engine: Engine, image: str, context: Path) -> None:
    """A build with a model that would not be served fails and says why."""
    model = context / "models" / "sum" / "1" / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content + b"x")
    try:
        done = engine.build("localhost/modelserver-test-damaged", context, check=False)
    finally:
        model.write_bytes(content)
    assert done.returncode != 0
    assert "model.onnx: expected" in done.stdout + done.stderr


def test_size(engine: Engine, image: str) -> None:
    """The image takes less than 350 MB above its base, unpacked."""
    above = engine.inspect(image)["Size"] - engine.inspect(STANDIN)["Size"]
    assert above < 350e6


def test_labels_and_form(engine: Engine, image: str) -> None:
    """What a registry and a cluster read of an image is there."""
    config = engine.inspect(image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python", "-m", "modelserver"]
    assert not config.get("Cmd")
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/tcp"}
    prefix = "org.opencontainers.image."
    assert config["Labels"][f"{prefix}version"] == "1.2.3"
    assert config["Labels"][f"{prefix}revision"] == "abc"


def test_nothing_else_is_in_it(engine: Engine, image: str) -> None:
    """No compiler, no pip, nothing that trains or converts."""
    modules = ["torch", "sklearn", "scipy", "onnx", "skl2onnx", "converters", "pytest", "pip"]
    programs = ["gcc", "cc", "g++", "make", "pip"]
    script = (
        "import importlib.util as u, shutil as s\n"
        f"print([m for m in {modules} if u.find_spec(m)] + [p for p in {programs} if s.which(p)])"
    )
    options = [*HARDENED, "--entrypoint", '["python", "-c"]']
    assert engine.podman("run", "--rm", *options, image, script).stdout.strip() == "[]"


def test_bill_of_materials(engine: Engine, image: str) -> None:
    """The image carries its own bill: every pinned package, and those of the system."""
    options = [*HARDENED, "--entrypoint", '["cat"]']
    text = engine.podman("run", "--rm", *options, image, "/opt/venv/sbom.cdx.json").stdout
    bill = json.loads(text)
    found = {part["name"]: part["version"] for part in bill["components"]}
    assert locked("cpu").items() <= found.items()
    assert re.match(r"2\.", found["libc6"])
