"""The three models that every contestant serves, converted as the documentation says."""

from collections.abc import Sequence
from pathlib import Path

from contestants import ROOT
from onnx import TensorProto, helper, numpy_helper

from converters.__main__ import main as convert

DATA = ROOT.parent / "shared" / "data" / "image"
PHOTO = DATA / "photos" / "lynx.jpg"
NETWORK = DATA / "models" / "mobilenet_v2_w8_rgb224.onnx"

WANTED = {"text": b"rray", "image": b"lynx", "tensor": b"6.0"}
"""For each scenario, what a right answer holds."""


def make_models(folder: Path, scenarios: Sequence[str]) -> dict[str, Path]:
    """Convert what is not there yet; returns the artefact of each scenario that can be served."""
    made = {}
    for scenario in scenarios:
        path = folder / scenario / "1"
        if path.exists() or _MAKERS[scenario](folder, path):
            made[scenario] = path
    return made


def _text(folder: Path, path: Path) -> bool:
    files = ROOT / "examples" / "javascript-faq"
    flags = ["--faqs", str(files / "faqs.jsonl"), "--duplicates", str(files / "duplicates.jsonl")]
    flags += ["--out-of-scope", str(files / "out_of_scope.jsonl")]
    return not convert(["faq", "--name", "text", "--output", str(folder), *flags])


def _image(folder: Path, path: Path) -> bool:
    if not NETWORK.exists():
        return False
    flags = ["--image-size", "224", "--pixels", "tf", "--resize", "shorter_side"]
    flags += ["--resize-to", "256", "--filter", "bilinear", "--scores-output", "prob"]
    flags += ["--expand-weights"]
    flags += ["--labels", str(next((DATA / "labels").glob("*imagenet*")))]
    return not convert(["onnx", str(NETWORK), "--name", "image", "--output", str(folder), *flags])


def _tensor(folder: Path, path: Path) -> bool:
    from numpy import float32, ones

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "ones"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(ones((3, 1), float32), "ones")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "sum.onnx"
    source.write_bytes(model.SerializeToString())
    return not convert(["onnx", str(source), "--name", "tensor", "--output", str(folder)])


_MAKERS = {"text": _text, "image": _image, "tensor": _tensor}
