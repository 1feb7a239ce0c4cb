"""What the server adds to decoding and running: against a Flask handler written by hand.

    python benchmarks/image_overhead.py [--artefact DIR] [--photo FILE] [--output FILE]

Both answer the same photo with the same model, in turn, in one run: blocks of requests on one
connection at a time, each server on one model thread. The handler does by hand what the reference
implementation's did: base64 from JSON, Pillow, ONNX Runtime, sort, jsonify. Without --artefact a
small network stands in: the faster the model, the more the rest shows.

Processor time is what counts: it hardly changes when the machine has other work to do, and time on
the clock does. What decoding and the model cost by themselves is measured in turn with the servers,
in a process of its own that sleeps between two runs as they do: in a loop the same work costs less,
because caches are warm. Needs Linux, which tells the processor time of each thread.
"""

import argparse
import base64
import http.client
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from modelserver.allocator import return_large_blocks
from modelserver.artefact import Artefact
from modelserver.memory_budget import MemoryBudget
from modelserver.runtime import OnnxModel
from modelserver.tasks.image_pixels import read_pixels
from modelserver.tasks.image_resize import Resize

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 1000
SIDE = 224
TOP_K = 5


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artefact", help="an image artefact; default: a small stand-in network")
    parser.add_argument("--photo", help="the file to send; default: a made-up JPEG of 500 x 375")
    parser.add_argument("--blocks", type=int, default=20, help="of each contestant")
    parser.add_argument("--requests", type=int, default=20, help="in each block")
    parser.add_argument("--output", default="build/image_overhead.json")
    parser.add_argument("--reference", help=argparse.SUPPRESS)
    parser.add_argument("--bare", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reference:
        return run_reference(Path(arguments.reference))
    if arguments.bare:
        return run_bare_work(*map(Path, arguments.bare))
    with tempfile.TemporaryDirectory() as folder:
        artefact = Path(arguments.artefact or publish_stand_in(Path(folder)))
        photo = Path(arguments.photo).read_bytes() if arguments.photo else make_photo()
        rows = measure(artefact, photo, arguments.blocks, arguments.requests)
    result = {
        "machine": describe_machine("onnxruntime", "pillow", "flask", "waitress"),
        "model": Artefact.open(artefact).manifest.name if arguments.artefact else "stand-in",
        "photo_bytes": len(photo),
        "rows": rows,
    }
    path = Path(arguments.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    return 0


# ---- The handler by hand


def run_reference(artefact: Path) -> int:
    """Serve the model as one would without us; prints its port and runs until it is killed."""
    import onnxruntime
    from flask import Flask, jsonify, request
    from waitress.server import create_server

    rule = Artefact.open(artefact).manifest.preprocessing["image"]
    labels = json.loads((artefact / "labels.json").read_text())["labels"]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(artefact / "model.onnx"), options)
    _, height, width, _ = session.get_inputs()[0].shape
    app = Flask("by-hand")

    def prepare(content: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        resample = Image.Resampling[rule["filter"].upper()]
        if rule["resize"] != "shorter_side":
            return np.asarray(image.resize((width, height), resample))
        scale = rule["resize_to"] / min(image.size)
        image = image.resize((int(image.width * scale), int(image.height * scale)), resample)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return np.asarray(image.crop((left, top, left + width, top + height)))

    @app.post("/score")
    def score() -> object:
        images = request.get_json()["input"]
        batch = np.stack([prepare(base64.b64decode(text)) for text in images.values()])
        (scores,) = session.run(None, {"image": batch})
        found = []
        for name, row in zip(images, scores, strict=True):
            best = row.argsort()[::-1][:TOP_K]
            found.append({name: [[labels[i]["label"], float(row[i])] for i in best]})
        return jsonify(result=found)

    server = create_server(app, host="127.0.0.1", port=0, threads=4)
    print(server.effective_port, flush=True)
    server.run()
    return 0


# ---- Decoding and the model alone


def run_bare_work(artefact: Path, photo: Path) -> int:
    """Decode and run once for each line that comes; answers the seconds of processor time."""
    return_large_blocks()  # as the server does
    manifest = Artefact.open(artefact).manifest
    _, height, width, _ = manifest.inputs[0].shape
    rule = Resize.parse(manifest.preprocessing["image"], width, height)
    model, memory = OnnxModel(artefact / "model.onnx", threads=1), MemoryBudget(10**9)
    content = photo.read_bytes()
    for _ in sys.stdin:
        started = time.process_time()
        model.run({"image": read_pixels(content, rule, memory)[None]})
        print(time.process_time() - started, flush=True)
    return 0


# ---- What is sent and served


def make_photo() -> bytes:
    """A JPEG as large as the median photo of ImageNet: smooth shapes, a little rough."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3)).astype(np.uint8))
    scene = np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.float32)
    rough = np.clip(scene + random.normal(0, 9, scene.shape), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rough).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def publish_stand_in(repository: Path) -> Path:
    """Publish a network of three convolutions with random weights."""
    content = stand_in_network()
    (repository / "model.onnx").write_bytes(content)
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    wanted = OnnxModel(repository / "model.onnx", threads=1).run({"image": pixels[None]})
    (repository / "model.onnx").unlink()
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    instances = [{"b64": base64.b64encode(stream.getvalue()).decode()}]
    publication = Publication(
        task="image-classification",
        onnx_model=content,
        golden_request={"instances": instances},
        examples=Examples(instances, {"probabilities": wanted["probabilities"]}, 1e-5),
        files={"labels.json": {"labels": [{"label": f"class {i}"} for i in range(CLASSES)]}},
        preprocessing={"image": {"resize": "squash", "filter": "bilinear"}},
    )
    return publish(publication, Place.choose(str(repository), "stand-in", 1), Report("stand-in"))


def stand_in_network() -> bytes:
    """`image` UINT8 [N, 224, 224, 3] -> `probabilities` FP32 [N, 1000]."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["x0"], perm=[0, 3, 1, 2]),
    ]
    weights = []
    for n, (before, after) in enumerate(((3, 32), (32, 64), (64, 128))):
        scale = np.sqrt(2 / (9 * before)) / (128 if n == 0 else 1)
        kernel = (random.normal(0, scale, (after, before, 3, 3))).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{n}"))
        convolution = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
        nodes.append(helper.make_node("Conv", [f"x{n}", f"w{n}"], [f"c{n}"], **convolution))
        nodes.append(helper.make_node("Relu", [f"c{n}"], [f"x{n + 1}"]))
    head = random.normal(0, 0.1, (128, CLASSES)).astype(np.float32)
    weights.append(numpy_helper.from_array(head, "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", ["x3"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "head"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["rows", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


# ---- Measuring


@dataclass
class Contestant:
    """A server's process and port, and what is sent to it."""

    name: str
    process: int
    port: int
    path: str
    body: bytes
    content_type: str


def measure(artefact: Path, photo: bytes, blocks: int, requests: int) -> list[dict[str, object]]:
    """Run all contestants in turn; a row of medians over blocks for each."""
    name = Artefact.open(artefact).manifest.name
    text = base64.b64encode(photo).decode()
    by_hand = subprocess.Popen(
        [sys.executable, __file__, "--reference", str(artefact)], stdout=subprocess.PIPE, text=True
    )
    sent = tempfile.NamedTemporaryFile(suffix=".jpg")  # noqa: SIM115
    sent.write(photo)
    sent.flush()
    bare = subprocess.Popen(
        [sys.executable, __file__, "--bare", str(artefact), sent.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Into a file: a reader in this process would cost the client time at every request.
    log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
    served = subprocess.Popen(
        [
            *(
                sys.executable,
                "-m",
                "modelserver",
                "--models",
                str(artefact),
                "--host",
                "127.0.0.1",
            ),
            *("--port", "0", "--management-port", "0", "--device", "cpu", "--model-threads", "1"),
        ],
        stdout=log,
        cwd=ROOT,
    )
    try:
        port = int(by_hand.stdout.readline())
        ours, _ = wait_until_ready(served, Path(log.name))
        path = f"/v1/models/{name}:predict"
        json_type = "application/json"
        historic = json.dumps({"input": {"image": text}}).encode()
        instances = json.dumps({"instances": [{"b64": text}]}).encode()
        theirs = by_hand.pid
        contestants = [
            Contestant("handler by hand, JSON", theirs, port, "/score", historic, json_type),
            Contestant("served, the same JSON", served.pid, ours, "/score", historic, json_type),
            Contestant("served, instances", served.pid, ours, path, instances, json_type),
            Contestant("served, raw body", served.pid, ours, path, photo, "image/jpeg"),
        ]
        return rank(contestants, bare, blocks, requests)
    finally:
        for process in (by_hand, served, bare):
            process.kill()
            process.wait()


def rank(
    contestants: list[Contestant], bare: subprocess.Popen[str], blocks: int, requests: int
) -> list[dict[str, object]]:
    """Measure blocks in turn, so that whatever else the machine does hits all alike."""
    for contestant in contestants:
        run_block(contestant, requests)
    run_bare(bare, requests)
    clock: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    processor: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    work: list[float] = []
    for _ in range(blocks):
        work.append(run_bare(bare, requests))
        for contestant in contestants:
            milliseconds, used = run_block(contestant, requests)
            clock[contestant.name].append(milliseconds)
            processor[contestant.name].append(used)
    least = statistics.median(work)
    by_hand = statistics.median(processor[contestants[0].name])
    rows: list[dict[str, object]] = []
    for contestant in contestants:
        used = statistics.median(processor[contestant.name])
        rows.append(
            {
                "contestant": contestant.name,
                "clock_ms": statistics.median(clock[contestant.name]),
                "processor_ms": used,
                "work_ms": least,
                "rest_ms": used - least,
                "rest_share": (used - least) / by_hand,
            }
        )
    return rows


def run_bare(bare: subprocess.Popen[str], count: int) -> float:
    """Milliseconds of processor time for decoding and running once."""
    seconds = 0.0
    for _ in range(count):
        bare.stdin.write("\n")
        bare.stdin.flush()
        seconds += float(bare.stdout.readline())
    return 1000 * seconds / count


def run_block(contestant: Contestant, requests: int) -> tuple[float, float]:
    """Milliseconds of a request: on the clock of the client, and of the server's processor time."""
    before = processor_seconds(contestant.process)
    connection = http.client.HTTPConnection("127.0.0.1", contestant.port)
    headers = {"Content-Type": contestant.content_type}
    started = time.perf_counter()
    for _ in range(requests):
        connection.request("POST", contestant.path, contestant.body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{contestant.name}: {answer.status} {content[:200]!r}")
    seconds = time.perf_counter() - started
    connection.close()
    used = processor_seconds(contestant.process) - before
    return 1000 * seconds / requests, 1000 * used / requests


def processor_seconds(process: int) -> float:
    """The time that all threads of a process have run."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[0]) for t in threads) / 1e9


def wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> tuple[int, str]:
    """The scoring port and the management URL of a server that has just been started."""
    while server.poll() is None:
        for line in log.read_text().splitlines():
            if '"event":"ready"' in line:
                event = json.loads(line)
                return int(event["url"].rpartition(":")[2]), event["management_url"]
        time.sleep(0.1)
    raise SystemExit("the server did not start")


def markdown(result: dict) -> str:
    """The table for docs/benchmarks.md."""
    lines = [
        "| | on the clock | processor time | of it decoding and model | the rest | "
        "of the handler's time |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        cells = [f"{row[f'{n}_ms']:.2f} ms" for n in ("clock", "processor", "work", "rest")]
        lines.append(f"| {row['contestant']} | {' | '.join(cells)} | {row['rest_share']:.1%} |")
    lines += ["", f"Model {result['model']}, a photo of {result['photo_bytes']:,} bytes."]
    return "\n".join([*lines, f"Medians of blocks, in one run. {result['machine']}"])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
