"""ResNet-152 on an NVIDIA GPU: does it answer as the CPU does, how fast, and how soon.

    python benchmarks/gpu.py [--fp32 DIR] [--fp16 DIR] [--photos DIR]

One command on a machine with a GPU; needs the extras gpu, converters and torch. Without artefacts
it makes its own, with random weights, in build/gpu. Prints the rows for docs/benchmarks.md. Ends
with exit code 3 and the reason where CUDA is not active.
"""

import argparse
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from image_overhead import wait_until_ready
from machine import describe_machine
from onnx import TensorProto, helper

from converters.image.sample_images import Images, read_images, synthetic_images
from modelserver.artefact import Artefact
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.runtime import Device, OnnxModel
from modelserver.tasks.image_resize import Resize

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / "build" / "gpu"
GPU = Device("cuda")
BATCHES = (1, 8, 32, 128)
ALLOWED = {"fp32": 1e-3, "fp16": 5e-2}  # TF32 is on by default on GPUs
SECONDS_EACH = 3.0
NO_GPU = 3


def main() -> int:
    """Check, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fp32", metavar="DIR", help="artefact; default: made with random weights")
    parser.add_argument("--fp16", metavar="DIR", help="the same in half precision")
    parser.add_argument("--photos", metavar="DIR", help="to compare on; default: synthetic images")
    arguments = parser.parse_args()
    reason = why_no_gpu()
    if reason:
        print(f"gpu: nothing was measured: {reason}", file=sys.stderr)
        return NO_GPU
    images = read_images(Path(arguments.photos)) if arguments.photos else synthetic_images()
    rows = []
    for precision in ("fp32", "fp16"):
        given = getattr(arguments, precision)
        artefact = Path(given) if given else make_artefact(precision)
        rows.append({"precision": precision, **measure(artefact, images)})
    print(markdown(rows))
    far = [row["precision"] for row in rows if row["difference"] > ALLOWED[row["precision"]]]
    if far:
        print(f"gpu: CPU and GPU differ too much in {', '.join(far)}", file=sys.stderr)
    return 1 if far else 0


def why_no_gpu() -> str:
    """Try the smallest of models on CUDA; the reason why it cannot, or nothing."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "least",
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(model.SerializeToString())
        try:
            OnnxModel(path, 1, GPU).run({"x": np.ones(1, np.float32)})
        except ArtefactError as error:
            return str(error).removeprefix(f"{path}: ")
    return ""


def make_artefact(precision: str) -> Path:
    """Convert a ResNet-152 with random weights, once."""
    folder = MADE / f"resnet152-{precision}" / "1"
    if not folder.is_dir():
        command = [sys.executable, "-m", "converters", "resnet152", "--random-weights", "1"]
        command += ["--name", f"resnet152-{precision}", "--precision", precision]
        subprocess.run([*command, "--output", str(MADE)], cwd=ROOT, check=True)
    return folder


def measure(artefact: Path, images: Images) -> dict[str, float]:
    """Difference from the CPU, images a second by batch size, memory, and the first request."""
    opened = Artefact.open(artefact)
    _, height, width, _ = opened.manifest.inputs[0].shape
    resize = Resize.parse(opened.manifest.preprocessing["image"], width, height)
    pixels = images.pixels(resize)
    before = gpu_memory_bytes()
    model = OnnxModel(opened.model_path, available_cpus(), GPU)
    row = {"difference": difference(opened.model_path, model, pixels)}
    for batch in BATCHES:
        row[f"batch {batch}"] = images_per_second(model, pixels, batch)
    row["memory"] = float(gpu_memory_bytes() - before)
    del model
    row["first"], row["later"] = requests_after_ready(artefact)
    return row


def difference(path: Path, on_gpu: OnnxModel, pixels: np.ndarray) -> float:
    """The largest difference of a probability between GPU and CPU."""
    on_cpu = OnnxModel(path, available_cpus())
    return max(
        float(np.abs(a["probabilities"] - b["probabilities"]).max())
        for a, b in (
            (on_gpu.run({"image": image[None]}), on_cpu.run({"image": image[None]}))
            for image in pixels
        )
    )


def images_per_second(model: OnnxModel, pixels: np.ndarray, batch: int) -> float:
    """Throughput of ONNX Runtime alone: the median of runs after three to warm up."""
    feed = {"image": np.resize(pixels, (batch, *pixels.shape[1:]))}
    for _ in range(3):
        model.run(feed)
    seconds: list[float] = []
    while sum(seconds) < SECONDS_EACH:
        started = time.perf_counter()
        model.run(feed)
        seconds.append(time.perf_counter() - started)
    return batch / statistics.median(seconds)


def requests_after_ready(artefact: Path) -> tuple[float, float]:
    """Milliseconds of the first request after a server says it is ready, and of later ones."""
    manifest = Artefact.open(artefact)
    golden = manifest.golden()
    command = [sys.executable, "-m", "modelserver", "--models", str(artefact), "--device", GPU.kind]
    command += ["--host", "127.0.0.1", "--port", "0", "--management-port", "0"]
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        server = subprocess.Popen(command, stdout=log, cwd=ROOT)
        try:
            port, _ = wait_until_ready(server, Path(log.name))
            path = f"/v1/models/{manifest.manifest.name}:predict"
            times = [request_ms(port, path, golden.request, golden.content_type) for _ in range(21)]
        finally:
            server.kill()
            server.wait()
    return times[0], statistics.median(times[1:])


def request_ms(port: int, path: str, body: bytes, content_type: str) -> float:
    """How long one request takes, in milliseconds."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, body, {"Content-Type": content_type})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {content[:200]!r}")
    return 1000 * (time.perf_counter() - started)


def gpu_memory_bytes() -> int:
    """What all processes hold of the first GPU's memory."""
    return int(ask_driver("memory.used").split()[0]) * 2**20


def ask_driver(field: str) -> str:
    """What the driver says of the first GPU."""
    command = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader,nounits", "--id=0"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def markdown(rows: list[dict[str, float]]) -> str:
    """The table for docs/benchmarks.md."""
    heads = ["", "difference from CPU", *(f"images/s, batch {n}" for n in BATCHES)]
    heads += ["GPU memory", "first request", "later requests"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [str(row["precision"]), f"{row['difference']:.1e}"]
        cells += [f"{row[f'batch {n}']:.0f}" for n in BATCHES]
        cells += [f"{row['memory'] / 1e6:.0f} MB", f"{row['first']:.1f} ms"]
        cells.append(f"{row['later']:.1f} ms")
        lines.append(f"| {' | '.join(cells)} |")
    gpu = ask_driver("name,driver_version")
    return "\n".join([*lines, "", f"{gpu}, {describe_machine('onnxruntime-gpu', 'numpy')}"])


if __name__ == "__main__":
    sys.exit(main())
