"""Tiny real models, artefacts made of them, and real servers that serve them."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from onnx import TensorProto, helper, numpy_helper

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from modelserver.artefact import Artefact, Draft

# By default an example may take 0.2 s, which a busy machine takes at times, and every run tries
# others. `pytest --hypothesis-profile search` tries others, too.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("search"), derandomize=True)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; the test is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data: {SHARED_DATA} does not exist")
    return SHARED_DATA


def linear_model() -> bytes:
    """`x` FP32 [N, 3] -> `y` FP32 [N, 1]: the sum of a row."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "ones"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.ones((3, 1), np.float32), "ones")],
    )
    return serialise(graph)


def slow_model() -> bytes:
    """`turns` INT64 [N, 1] -> `done` INT64 [N, 1]: as many matrix products as asked for."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
            helper.make_node("Identity", ["condition"], ["again"]),
            helper.make_node("Mul", ["product", "scale"], ["next"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("matrix", TensorProto.FLOAT, [256, 256]),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [256, 256]),
        ],
        [numpy_helper.from_array(np.array(1 / 256, np.float32), "scale")],
    )
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["turns"], ["most"], keepdims=0),
            helper.make_node("Loop", ["most", "", "start"], ["end"], body=body),
            helper.make_node("ReduceMax", ["end"], ["peak"], keepdims=0),
            helper.make_node("Cast", ["peak"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Mul", ["whole", "zero"], ["nothing"]),
            helper.make_node("Add", ["turns", "nothing"], ["done"]),
        ],
        "slow",
        [helper.make_tensor_value_info("turns", TensorProto.INT64, ["rows", 1])],
        [helper.make_tensor_value_info("done", TensorProto.INT64, ["rows", 1])],
        [
            numpy_helper.from_array(np.ones((256, 256), np.float32), "start"),
            numpy_helper.from_array(np.array(0, np.int64), "zero"),
        ],
    )
    return serialise(graph)


def serialise(graph: Any) -> bytes:
    """The bytes of a model file."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


def publish_tensor(
    repository: Path,
    name: str,
    model: bytes,
    instances: list[Any],
    outputs: dict[str, np.ndarray],
    version: int | None = None,
    **more: Any,
) -> Path:
    """Publish a bare model whose original is known to answer `outputs` for `instances`."""
    publication = Publication(
        task="tensor",
        onnx_model=model,
        golden_request={"instances": instances},
        examples=Examples(instances, outputs, tolerance=1e-6),
        **more,
    )
    return publish(publication, Place.choose(str(repository), name, version), Report(name))


@pytest.fixture
def linear_onnx() -> bytes:
    """The bytes of `linear_model`."""
    return linear_model()


@pytest.fixture
def reseal() -> Callable[[Path, str, str | bytes], None]:
    """Change a file of an artefact and make the manifest agree with it."""

    def change(folder: Path, name: str, content: str | bytes) -> None:
        draft = Draft(folder)
        draft.write(name, content)
        draft.seal(Artefact.open(folder).manifest)

    return change


@pytest.fixture
def linear_artefact(tmp_path: Path) -> Path:
    """An artefact of `linear_model`, alone in its repository at tmp_path / "models"."""
    return publish_linear(tmp_path / "models")


def publish_linear(repository: Path, name: str = "sum", version: int | None = None) -> Path:
    """Publish `linear_model`."""
    rows = [[1.0, 2.0, 3.0], [0.5, 0.25, 0.125]]
    expected = {"y": np.array([[6.0], [0.875]], np.float32)}
    return publish_tensor(repository, name, linear_model(), rows, expected, version)


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningServer:
    """`python -m modelserver` in a process of its own, on free ports.

    Args:
        models: what it serves.
        flags: further ones.
        wait: whether to wait until it is ready.
        prefix: a command that runs it.
        headers: that every request sends.
    """

    def __init__(
        self,
        models: Path,
        *flags: str,
        wait: bool = True,
        prefix: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.headers = dict(headers or {})
        command = [*prefix, sys.executable, "-m", "modelserver", "--models", str(models)]
        command += ["--host", "127.0.0.1", "--port", "0", "--management-port", "0"]
        command += ["--drain-delay-seconds", "0", *flags]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        self.lines: list[str] = []
        self._new: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.management_url = ""
        if wait:
            ready = self.wait_for("ready")
            self.url, self.management_url = ready["url"], ready["management_url"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._new.put(line)
        self._new.put("")

    def wait_for(self, event: str, timeout: float = 60) -> dict[str, Any]:
        """Wait for a log line of that event."""
        while True:
            line = self._new.get(timeout=timeout)
            if not line:
                raise AssertionError(f"the server ended without {event!r}:\n{''.join(self.lines)}")
            if line.startswith("{") and (fields := json.loads(line))["event"] == event:
                found: dict[str, Any] = fields
                return found

    def request(
        self,
        path: str,
        body: Any = None,
        *,
        method: str = "",
        management: bool = False,
        **headers: str,
    ) -> Answer:
        """Send one request; a dict or list is sent as JSON."""
        base = self.management_url if management else self.url
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        named = {
            name.replace("_", "-"): value for name, value in {**self.headers, **headers}.items()
        }
        method = method or ("POST" if body is not None else "GET")
        request = urllib.request.Request(base + path, data=body, headers=named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(response.status, response.read(), dict(response.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), dict(error.headers))

    def close(self) -> None:
        """End the process without ceremony."""
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code


@pytest.fixture
def serve() -> Iterator[Callable[..., RunningServer]]:
    """Start servers that end with the test."""
    running: list[RunningServer] = []

    def start(models: Path, *flags: str, **more: Any) -> RunningServer:
        running.append(RunningServer(models, *flags, **more))
        return running[-1]

    yield start
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which `make` finds everything installed."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "setup.cfg", "constraints.txt"):
        shutil.copy2(ROOT / name, folder)
    for name in ("modelserver", "converters", "examples"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name in ("bin", "include", "lib", "lib64", "pyvenv.cfg"):
            (folder / ".venv" / part.name).symlink_to(part)
    (folder / ".venv" / "demo").touch()
    return folder


@pytest.fixture(scope="session")
def javascript_faq(clone: Path) -> Path:
    """The artefact of `make demo`: the JavaScript FAQ, trained and converted."""
    folder = Path("build", "demo", "javascript-faq", "1")
    command = ["make", "-C", str(clone), str(folder / "manifest.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return clone / folder
