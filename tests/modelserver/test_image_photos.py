"""Real photos and a real pretrained network through a real server, in every body form.

The photos and the network are not part of the project; without them these tests are skipped.
"""

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from converters.__main__ import main
from tests.conftest import RunningServer
from tests.modelserver.image_bodies import FORMS
from tests.modelserver.image_samples import STORED, save

# What the recorded probabilities were made with.
RULE = {
    "--image-size": "224",
    "--pixels": "tf",
    "--resize": "shorter_side",
    "--resize-to": "256",
    "--filter": "bilinear",
    "--long-side": "nearest",
    "--crop-offset": "down",
}


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, Any]:
    """For each photo: the classes that are right, and what the network answered elsewhere."""
    content: dict[str, Any] = json.loads(
        (shared_data / "image" / "photos" / "expected.json").read_text()
    )
    return content


@pytest.fixture(scope="module")
def server(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the network, wrapped by the command `onnx`; do not stop it."""
    images, repository = shared_data / "image", tmp_path_factory.mktemp("models")
    command = ["onnx", str(images / "models" / "mobilenet_v2_w8_rgb224.onnx")]
    command += ["--name", "mobilenet", "--output", str(repository)]
    command += itertools.chain.from_iterable(RULE.items())
    command += ["--labels", str(images / "labels" / "synset.txt"), "--scores-output", "prob"]
    assert main([*command, "--sample-dir", str(images / "photos")]) == 0
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
        index, wnid, probability = FORMS[form].best(answer.json)
        found = wnids.index(wnid) if index is None else index
        assert found in said["truth"], name
        best, want = said["top5"]["mobilenet_v2_w8_rgb224"][0]
        assert found == best
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
