"""Servers whose models change while they work: what the benchmarks of reloading share."""

import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report

ROOT = Path(__file__).resolve().parent.parent
MODEL = "times"


def publish_version(repository: Path, version: int, megabytes: float = 0.0) -> Path:
    """Publish `x` FP32 [N] -> `y` FP32 [N]: x times the version, so that an answer tells it.

    Args:
        repository: where to.
        version: the factor.
        megabytes: weights that the model carries, so that its memory shows.
    """
    weights = np.zeros(max(1, round(megabytes * 250_000)), np.float32)
    graph = helper.make_graph(
        [
            # Depends on x, so that the optimiser cannot do without the weights.
            helper.make_node("Mul", ["x", "zero"], ["zeros"]),
            helper.make_node("Cast", ["zeros"], ["first"], to=TensorProto.INT64),
            helper.make_node("Gather", ["weights", "first"], ["nothing"]),
            helper.make_node("Mul", ["x", "factor"], ["product"]),
            helper.make_node("Add", ["product", "nothing"], ["y"]),
        ],
        MODEL,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows"])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
            numpy_helper.from_array(np.array(version, np.float32), "factor"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    outputs = {"y": np.array([version], np.float32)}
    publication = Publication(
        task="tensor",
        onnx_model=model.SerializeToString(),
        golden_request={"instances": [1.0]},
        examples=Examples([1.0], outputs, tolerance=1e-6),
    )
    return publish(publication, Place.choose(str(repository), MODEL, version), Report(MODEL))


class Server:
    """`python -m modelserver` on free ports, asked on its management port."""

    def __init__(self, models: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "modelserver", "--models", str(models), *flags]
        command += ["--host", "127.0.0.1", "--port", "0", "--management-port", "0"]
        command += ["--repository-poll-seconds", "0", "--drain-delay-seconds", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self._freed = threading.Semaphore(0)
        for line in self._output:
            fields = json.loads(line)
            if fields["event"] == "ready":
                break
        else:
            raise SystemExit("the server did not start")
        self.url, self.management_url = fields["url"], fields["management_url"]
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def _read(self) -> None:
        for line in self._output:
            if '"event":"model_unloaded"' in line:
                self._freed.release()

    def order(self, what: str, model: str = MODEL) -> None:
        """Load or unload a model; returns when it is done."""
        url = f"{self.management_url}/v2/repository/models/{model}/{what}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60).close()

    def ask(self, value: float) -> Any:
        """Score one number."""
        body = json.dumps({"instances": [value]}).encode()
        url = f"{self.url}/v1/models/{MODEL}:predict"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def await_freed(self) -> None:
        """Wait until one more old version has been freed."""
        if not self._freed.acquire(timeout=60):
            raise SystemExit("an old version was not freed")

    def resident_megabytes(self) -> float:
        """The memory of the process that the kernel counts as resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) / 1000

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=60)
