"""Real photos and a real pretrained network through a real server, in every body form.

The photos and the network are not part of the project; without them these tests are skipped.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from tests.conftest import RunningServer
from tests.modelserver.image_bodies import FORMS
from tests.modelserver.image_samples import STORED, save, to_base64

# What the recorded probabilities were made with.
RULE = {
    "resize": "shorter_side",
    "resize_to": 256,
    "filter": "bilinear",
    "long_side": "nearest",
    "crop_offset": "down",
}


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, Any]:
    """For each photo: the classes that are right, and what the network answered elsewhere."""
    content: dict[str, Any] = json.loads(
        (shared_data / "image" / "photos" / "expected.json").read_text()
    )
    return content


def with_pixels_in(model: onnx.ModelProto) -> bytes:
    """Put cast, scale and layout before a network that takes [N, 3, H, W] from -1 to 1."""
    graph = model.graph
    del graph.input[:], graph.output[:]
    graph.input.append(
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 224, 224, 3])
    )
    graph.output.append(
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 1000])
    )
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("half", 127.5), ("one", 1))
    )
    before = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["levels", "half"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["input"], perm=[0, 3, 1, 2]),
    ]
    nodes = [*before, *graph.node, helper.make_node("Identity", ["prob"], ["probabilities"])]
    del graph.node[:]
    graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


@pytest.fixture(scope="module")
def server(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the network; do not stop it."""
    path = shared_data / "image" / "models" / "mobilenet_v2_w8_rgb224.onnx"
    # Already as large as the rule wants, so that only its centre is cut out.
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    centre = pixels[None, 16:240, 16:240].transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (want,) = session.run(["prob"], {"input": (centre / 127.5 - 1).astype(np.float32)})
    labels = [
        {"label": label, "wnid": wnid}
        for wnid, label in (line.split(" ", 1) for line in _synset(shared_data))
    ]
    instances = [{"b64": to_base64(save(Image.fromarray(pixels), "PNG"))}]
    publication = Publication(
        task="image-classification",
        onnx_model=with_pixels_in(onnx.load(path)),
        golden_request={"instances": instances},
        examples=Examples(instances, {"probabilities": want}, 1e-4),
        files={"labels.json": {"labels": labels}},
        preprocessing={"image": RULE},
    )
    repository = tmp_path_factory.mktemp("models")
    publish(publication, Place.choose(str(repository), "mobilenet", None), Report("mobilenet"))
    running = RunningServer(repository)
    yield running
    running.close()


@pytest.mark.parametrize("form", FORMS)
def test_photos(
    server: RunningServer, shared_data: Path, expected: dict[str, Any], form: str
) -> None:
    """Every photo gets an accepted class first, with the probability recorded elsewhere."""
    wnids = [label.split(" ")[0] for label in _synset(shared_data)]
    assert len(expected) == 14
    for name, said in expected.items():
        content = (shared_data / "image" / "photos" / name).read_bytes()
        answer = FORMS[form].send(server, "mobilenet", content)
        assert answer.status == 200, answer.body
        _, wnid, probability = FORMS[form].best(answer.json)
        index, want = said["top5"]["mobilenet_v2_w8_rgb224"][0]
        assert wnid in [wnids[right] for right in said["truth"]], name
        assert wnid == wnids[index]
        assert probability == pytest.approx(want, abs=1e-3), name


def test_all_five_probabilities(
    server: RunningServer, shared_data: Path, expected: dict[str, Any]
) -> None:
    """Not only the best class is right: all five recorded ones are within a thousandth."""
    for name, said in expected.items():
        body = (shared_data / "image" / "photos" / name).read_bytes()
        answer = server.request("/v1/models/mobilenet:predict", body, Content_Type="image/png")
        classes = answer.json["predictions"][0]["classes"]
        recorded = said["top5"]["mobilenet_v2_w8_rgb224"]
        assert [found["index"] for found in classes] == [index for index, _ in recorded], name
        for found, (_, probability) in zip(classes, recorded, strict=True):
            assert found["probability"] == pytest.approx(probability, abs=1e-3), name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_one_photo_in_every_orientation(
    server: RunningServer, shared_data: Path, orientation: int
) -> None:
    """A lynx stored turned or mirrored, as EXIF says, is the same lynx."""
    photo = Image.open(shared_data / "image" / "photos" / "ms_lynx_220x330.png").convert("RGB")
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    (photo if turn is None else photo.transpose(turn)).save(stream, "PNG", exif=exif)
    answer = FORMS["raw"].send(server, "mobilenet", stream.getvalue())
    index, wnid, probability = FORMS["raw"].best(answer.json)
    assert (index, wnid) == (287, "n02127052")
    assert probability == pytest.approx(0.91594, abs=1e-3)


PHOTO_FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 90},
    "JPEG, progressive": {"quality": 90, "progressive": True},
    "JPEG, four colours": {"quality": 90, "mode": "CMYK"},
    "JPEG, full colour resolution": {"quality": 90, "subsampling": 0},
    "PNG": {},
    "PNG with alpha": {"mode": "RGBA"},
    "PNG with a palette": {"mode": "P"},
    "WebP": {"quality": 90},
    "WebP, lossless": {"lossless": True},
    "BMP": {},
    "GIF": {"mode": "P"},
    "GIF, animated": {"mode": "P", "save_all": True, "append_images": [Image.new("P", (220, 330))]},
}


@pytest.mark.parametrize("name", PHOTO_FORMATS)
def test_one_photo_in_every_format(server: RunningServer, shared_data: Path, name: str) -> None:
    """The same lynx in a dozen files is a lynx in each."""
    options = dict(PHOTO_FORMATS[name])
    photo = Image.open(shared_data / "image" / "photos" / "ms_lynx_220x330.png").convert("RGB")
    photo = (
        photo.quantize(256)
        if options.get("mode") == "P"
        else photo.convert(options.get("mode", "RGB"))
    )
    options.pop("mode", None)
    content = save(photo, name.replace(",", "").split(" ")[0].upper(), **options)
    answer = FORMS["raw"].send(server, "mobilenet", content)
    assert FORMS["raw"].best(answer.json)[0] == 287


def _synset(shared_data: Path) -> list[str]:
    return (shared_data / "image" / "labels" / "synset.txt").read_text().splitlines()
