"""Builds and runs containers without a daemon, for the tests of the images."""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

STANDIN = "localhost/modelserver-standin:bookworm"
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""
# What a restricted pod gets, and less: no network, no temporary directory.
HARDENED = [
    "--network=none",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=512m",
    "--cpus=1",
]


@dataclass(frozen=True)
class Engine:
    """buildah and podman with a configuration of their own."""

    environment: dict[str, str]

    @classmethod
    def configured(cls, folder: Path) -> "Engine":
        """Write the configuration that works on a bare machine."""
        path = folder / "containers.conf"
        path.write_text(_CONFIGURATION)
        return cls({**os.environ, "CONTAINERS_CONF": str(path)})

    def why_not(self) -> str:
        """Why no image can be built or run here; empty when it can."""
        for tool in ("buildah", "podman", "catatonit"):
            if shutil.which(tool) is None:
                return f"{tool} is not installed; `make test-images` installs it for root"
        if self.podman("image", "exists", STANDIN, check=False).returncode:
            return f"there is no {STANDIN}; `make test-images` makes it for root"
        tried = self.podman("run", "--rm", "--network=none", STANDIN, "true", check=False)
        return f"podman runs no container here: {tried.stderr}" if tried.returncode else ""

    def podman(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman; a failure shows what it said."""
        return self._run(["podman", *arguments], check)

    def build(self, image: str, context: Path, check: bool = True) -> Any:
        """Build the CPU image with the models of a context, without pulling anything."""
        command = ["buildah", "build", "--isolation=chroot", "--network=host", "--pull=never"]
        command += ["--layers", "--ulimit=nofile=1024:1024", "--tag", image]
        command += ["--build-arg", f"BASE={STANDIN}", "--build-arg", "MODELS=models"]
        command += ["--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=abc"]
        if _CA_BUNDLE.exists():  # a machine whose way out has a certificate of its own
            command += ["--volume", f"{_CA_BUNDLE}:{_CA_BUNDLE}:ro"]
        command += ["--file", str(context / "docker" / "Dockerfile.cpu"), str(context)]
        return self._run(command, check)

    def inspect(self, image: str) -> Any:
        """What podman knows of an image."""
        return json.loads(self.podman("image", "inspect", image).stdout)[0]

    def _run(self, command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


class Container:
    """A container that runs the server."""

    def __init__(self, engine: Engine, identity: str) -> None:
        self._engine = engine
        self._id = identity

    @classmethod
    def run(cls, engine: Engine, image: str, *arguments: str, options: list[str]) -> "Container":
        """Start one."""
        done = engine.podman("run", "--detach", *options, image, *arguments)
        return cls(engine, done.stdout.strip())

    @property
    def log(self) -> str:
        """Everything the server has said."""
        done = self._engine.podman("logs", self._id)
        return done.stdout + done.stderr

    def wait_until_ready(self) -> dict[str, Any]:
        """Wait for the ready line, which is all a log reader has to go by."""
        for _ in range(600):
            for line in self.log.splitlines():
                fields: dict[str, Any] = json.loads(line)
                if fields["event"] == "ready":
                    return fields
                assert fields["event"] != "failed", line
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.log}")

    def python(self, script: str) -> str:
        """Run a script inside, with the image's own Python."""
        return self._engine.podman("exec", self._id, "python", "-c", script).stdout

    def request(
        self, path: str, body: Any = None, port: int = 8080, key: str = ""
    ) -> tuple[int, Any]:
        """Send a request from inside; the container has no network."""
        headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
        data = None if body is None else json.dumps(body).encode()
        script = (
            "import sys, urllib.request as u, urllib.error as e\n"
            f"r = u.Request('http://127.0.0.1:{port}{path}', data={data!r}, headers={headers})\n"
            "try: a = u.urlopen(r, timeout=30)\n"
            "except e.HTTPError as error: a = error\n"
            "print(a.status); print(a.read().decode())"
        )
        status, _, text = self.python(script).partition("\n")
        return int(status), json.loads(text) if text.startswith(("{", "[")) else text.strip()

    def stop(self, seconds: int) -> int:
        """Send SIGTERM, SIGKILL after `seconds`; returns the exit code."""
        self._engine.podman("stop", "--time", str(seconds), self._id)
        code = self._engine.podman("inspect", "--format", "{{.State.ExitCode}}", self._id).stdout
        return int(code)

    def wait(self) -> int:
        """Wait until it ends by itself; returns the exit code."""
        return int(self._engine.podman("wait", self._id).stdout)

    def remove(self) -> None:
        """End it, however it is."""
        self._engine.podman("rm", "--force", "--time", "0", self._id, check=False)


def make_context(folder: Path, models: Path) -> Path:
    """A build context: what a checkout has for an image, and these models."""
    for name in (".dockerignore", "LICENSE", "README.md", "pyproject.toml", "setup.cfg"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("docker", "modelserver"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(models, folder / "models")
    return folder
