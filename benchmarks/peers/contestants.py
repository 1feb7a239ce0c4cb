"""Who is measured: for each server its command, its path and the body that it takes."""

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = Path(__file__).resolve().parent / "services"

QUESTION = "how do I clone an array in javascript without changing the original one"
ROW = [1.0, 2.0, 3.0]
TENSOR = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": ROW}]}
BATCH = 32


@dataclass(frozen=True)
class Request:
    """What a contestant is asked."""

    path: str
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True)
class Setting:
    """What the command of a contestant depends on.

    Args:
        scenario: text, image or tensor.
        artefact: the folder of its model.
        port: to listen on.
        folder: for files of the contestant's own.
    """

    scenario: str
    artefact: Path
    port: int
    folder: Path


@dataclass(frozen=True)
class Contestant:
    """A server.

    Args:
        name: in the table.
        environment: the folder of its Python environment, from the project's root.
        packages: those whose versions are told.
        command: makes the arguments of Python, or of a program of the environment.
        request: makes what it is asked in a scenario.
        variables: further ones of its environment.
        floor: it answers nothing that could be checked.
    """

    name: str
    environment: str
    packages: Sequence[str]
    command: Callable[[Setting], Sequence[str]]
    request: Callable[[str, str, bytes], Request]
    variables: Mapping[str, str] = field(default_factory=dict)
    floor: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        own = ROOT / self.environment / "bin" / "python"
        return own if self.environment != ".venv" or own.exists() else Path(sys.executable)

    def process(self, setting: Setting) -> tuple[Sequence[str], dict[str, str]]:
        """Arguments and environment of its process, on the first CPU."""
        first, *rest = self.command(setting)
        program = self.python.parent / first
        variables = {
            **os.environ,
            "PEER_SCENARIO": setting.scenario,
            "PEER_ARTEFACT": str(setting.artefact),
            "PEER_PORT": str(setting.port),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{SERVICES}",
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            **self.variables,
        }
        return ["taskset", "-c", "0", str(program), *rest], variables


# ---- Requests


def ours(scenario: str, name: str, photo: bytes) -> Request:
    """The task API for texts and images, the Open Inference Protocol for tensors."""
    if scenario == "tensor":
        return Request(f"/v2/models/{name}/infer", _json(TENSOR))
    path = f"/v1/models/{name}:predict"
    if scenario == "image":
        return Request(path, photo, "image/jpeg")
    return Request(path, _json({"instances": [QUESTION]}))


def plain(scenario: str, name: str, photo: bytes) -> Request:
    """A path of one's own; images as they are."""
    if scenario == "image":
        return Request("/score", photo, "image/jpeg")
    return Request("/score", _json(TENSOR if scenario == "tensor" else {"text": QUESTION}))


def in_json(scenario: str, name: str, photo: bytes) -> Request:
    """The same with images in base64, for servers that want JSON."""
    if scenario == "image":
        return Request("/score", _json({"b64": base64.b64encode(photo).decode()}))
    return plain(scenario, name, photo)


def bento(scenario: str, name: str, photo: bytes) -> Request:
    """BentoML names its parameter."""
    found = in_json(scenario, name, photo)
    return Request(found.path, b'{"body": %s}' % found.body)


def bento_list(scenario: str, name: str, photo: bytes) -> Request:
    """A batchable one takes a list."""
    found = in_json(scenario, name, photo)
    return Request(found.path, b'{"body": [%s]}' % found.body)


def kserve(scenario: str, name: str, photo: bytes) -> Request:
    """V1 for texts and images, V2 for tensors; without an id it answers 500."""
    if scenario == "tensor":
        return Request("/v2/models/sum/infer", _json({"id": "1", **TENSOR}))
    instance = {"b64": base64.b64encode(photo).decode()} if scenario == "image" else {}
    body = {"instances": [instance or {"text": QUESTION}]}
    return Request("/v1/models/sum:predict", _json(body))


def mlserver(scenario: str, name: str, photo: bytes) -> Request:
    """V2, texts and images as BYTES."""
    if scenario == "tensor":
        return Request("/v2/models/sum/infer", _json(TENSOR))
    value = base64.b64encode(photo).decode() if scenario == "image" else QUESTION
    entry = {"name": "x", "shape": [1], "datatype": "BYTES", "data": [value]}
    return Request("/v2/models/sum/infer", _json({"inputs": [entry]}))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# ---- Commands


def _server(front: str) -> Callable[[Setting], Sequence[str]]:
    def command(setting: Setting) -> Sequence[str]:
        flags = ["--host", "127.0.0.1", "--port", str(setting.port), "--management-port", "0"]
        flags += ["--model-threads", "1", "--device", "cpu", "--drain-delay-seconds", "0"]
        models = str(setting.artefact)
        return ["python", "-m", "modelserver", "--models", models, "--http-server", front, *flags]

    return command


def _fastapi(setting: Setting) -> Sequence[str]:
    flags = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return ["python", "-m", "uvicorn", "fastapi_service:app", "--port", str(setting.port), *flags]


def _mosec(setting: Setting) -> Sequence[str]:
    flags = ["--address", "127.0.0.1", "--port", str(setting.port), "--timeout", "30000"]
    return ["python", str(SERVICES / "mosec_service.py"), *flags]


def _bento(setting: Setting) -> Sequence[str]:
    flags = ["--host", "127.0.0.1", "--port", str(setting.port), "--working-dir", str(SERVICES)]
    return ["bentoml", "serve", "bentoml_service:Score", *flags]


def _script(name: str) -> Callable[[Setting], Sequence[str]]:
    return lambda setting: ["python", str(SERVICES / name)]


def _mlserver(batch: int) -> Callable[[Setting], Sequence[str]]:
    def command(setting: Setting) -> Sequence[str]:
        folder = setting.folder / f"mlserver-{setting.scenario}-{batch}"
        folder.mkdir()
        settings = {"http_port": setting.port, "grpc_port": setting.port + 500}
        settings |= {"metrics_port": setting.port + 1000, "host": "127.0.0.1", "debug": False}
        settings |= {"parallel_workers": 0, "extensions": [], "use_structured_logging": False}
        model = {"name": "sum", "implementation": "mlserver_service.Score"}
        if batch > 1:
            model |= {"max_batch_size": batch, "max_batch_time": 0.005}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return ["mlserver", "start", str(folder)]

    return command


BATCHED = {"PEER_BATCH": str(BATCH)}
_RUNTIME = "onnxruntime"

CONTESTANTS = (
    Contestant("modelserver, waitress", ".venv", ["waitress"], _server("waitress"), ours),
    Contestant("modelserver, asyncio", ".venv", [_RUNTIME, "uvloop"], _server("asyncio"), ours),
    Contestant("FastAPI + uvicorn", ".venv-fastapi", ["fastapi", "uvicorn"], _fastapi, plain),
    Contestant("mosec", ".venv-mosec", ["mosec"], _mosec, plain),
    Contestant("mosec, batching", ".venv-mosec", ["mosec"], _mosec, plain, BATCHED),
    Contestant("MLServer", ".venv-mlserver", ["mlserver"], _mlserver(1), mlserver),
    Contestant("MLServer, batching", ".venv-mlserver", ["mlserver"], _mlserver(BATCH), mlserver),
    Contestant("KServe", ".venv-kserve", ["kserve"], _script("kserve_service.py"), kserve),
    Contestant("LitServe", ".venv-litserve", ["litserve"], _script("litserve_service.py"), in_json),
    Contestant(
        "LitServe, batching",
        ".venv-litserve",
        ["litserve"],
        _script("litserve_service.py"),
        in_json,
        BATCHED,
    ),
    Contestant("BentoML", ".venv-bentoml", ["bentoml"], _bento, bento),
    Contestant("BentoML, batching", ".venv-bentoml", ["bentoml"], _bento, bento_list, BATCHED),
    Contestant("bare Waitress", ".venv", [], _script("echo_service.py"), plain, floor=True),
)
"""In the order of the table."""
