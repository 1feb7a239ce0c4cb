"""What fp16 and int8 have to keep of fp32, whatever framework a network is from."""

from pathlib import Path

import onnx
from PIL import Image

from modelserver.artefact import Artefact
from tests.modelserver.image_samples import save

PRECISIONS = ("fp16", "int8")
TOP1_GATES = {"fp16": 0.995, "int8": 0.98}
_WEIGHTS = {"fp16": onnx.TensorProto.FLOAT16, "int8": onnx.TensorProto.INT8}


def write_turns(folder: Path, image: Image.Image) -> Path:
    """Make a folder of twelve pictures that differ: one image, turned."""
    folder.mkdir()
    for turn in range(0, 360, 30):
        (folder / f"{turn}.png").write_bytes(save(image.rotate(turn), "PNG"))
    return folder


def precision_flags(precision: str, photos: Path) -> str:
    """The flags of a deep converter that compare, and calibrate int8, on a folder of pictures."""
    calibration = f" --calibration-dir {photos}" if precision == "int8" else ""
    return f" --precision {precision} --sample-dir {photos}{calibration}"


def check_reduced(folder: Path, precision: str) -> None:
    """An artefact says its precision, agrees as its gate asks, and has weights of that kind."""
    evaluation = Artefact.open(folder).manifest.evaluation
    assert evaluation["precision"] == precision
    assert evaluation["agreement"]["top1"] >= TOP1_GATES[precision]
    kinds = {weights.data_type for weights in onnx.load(folder / "model.onnx").graph.initializer}
    assert _WEIGHTS[precision] in kinds
