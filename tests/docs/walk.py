"""Runs a deployment page as its reader would, with stand-ins for Azure and the cluster."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.charts.engines import CHART, HELM_3, KUBERNETES, TOOLS
from tests.conftest import ROOT
from tests.docs.pages import blocks

KUBECTL = TOOLS / "venv" / "bin" / "kubectl"
PROGRAMS = ("az", "kubectl", "helm", "kubelogin", "curl", "docker", "kind")
_NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Walk:
    """What a page has called, and the folder that it was run in."""

    folder: Path
    calls: list[dict[str, Any]]

    def of(self, program: str) -> list[dict[str, Any]]:
        """The calls of one program."""
        return [call for call in self.calls if call["program"] == program]


def walk(page: str, folder: Path) -> Walk:
    """Run the page's bash blocks in one shell, in a folder like a checkout with two models."""
    for name in ("charts", "examples", "docker"):
        (folder / name).symlink_to(ROOT / name)
    for model in ("javascript-faq", "resnet152"):
        (folder / "models" / model / "1").mkdir(parents=True)
    programs = folder / ".programs"
    programs.mkdir()
    for name in PROGRAMS:
        shim = programs / name
        shim.write_text(f"#!{sys.executable} -IS\n{(ROOT / 'tests/docs/stub.py').read_text()}")
        shim.chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    environment = {
        **os.environ,
        "CALLS": str(folder / ".calls"),
        "HELM": str(HELM_3),
        "KUBECTL": str(KUBECTL),
        "PATH": os.pathsep.join(
            [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "PYTHONPATH": str(ROOT),
    }
    script = "set -euo pipefail\n" + "".join(blocks(page, "bash"))
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (folder / ".calls").read_text().splitlines()
    return Walk(folder, [json.loads(line) for line in lines])


def template(words: list[str]) -> list[str] | None:
    """`helm template` for what a helm command would install; None when it installs nothing."""
    kept = [word for word in words if word not in ("--install", "--wait", "--atomic")]
    if "--timeout" in kept:
        at = kept.index("--timeout")
        kept[at : at + 2] = []
    if kept[0] not in ("install", "upgrade") or len(kept) < 3:
        return None
    return ["template", *kept[1:], "--kube-version", KUBERNETES]


def helm(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Helm 3 in the folder of a walk."""
    assert CHART.is_dir()
    return subprocess.run([HELM_3, *words], cwd=folder, capture_output=True, text=True)


def kubectl(call: dict[str, Any], folder: Path) -> str:
    """What kubectl itself refuses of a call; empty when it gets to looking for the cluster."""
    command = [str(KUBECTL), *call["arguments"]]
    at = command.index("--") if "--" in command else len(command)
    command[at:at] = ["--server", _NOWHERE]
    environment = {**os.environ, "KUBECONFIG": "/dev/null", "HOME": str(folder)}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=call["stdin"],
        capture_output=True,
        text=True,
    )
    reached = "127.0.0.1:1" in done.stderr
    return "" if reached or done.returncode == 0 else done.stderr


def missing() -> str:
    """Which tool a walk lacks; empty when it has all."""
    lacks = [tool.name for tool in (HELM_3, KUBECTL) if not tool.exists()]
    lacks += [name for name in ("openssl", "sha256sum", "tar") if shutil.which(name) is None]
    return f"no {', '.join(lacks)}: `make tools` gets Helm and kubectl" if lacks else ""
