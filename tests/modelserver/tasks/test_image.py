"""Task image-classification: instances in, named classes out, and what an artefact must have."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelserver.artefact import Artefact, Draft
from modelserver.errors import (
    ArtefactError,
    InvalidInput,
    RequestError,
    TooLarge,
    Undecodable,
    UnsupportedMediaType,
)
from modelserver.manifest import Manifest, TensorSpec
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks import create_task
from modelserver.tasks.image import ImageTask
from tests.modelserver.image_samples import (
    BEST,
    CLASSES,
    LABELS,
    SIDE,
    picture,
    publish_corners,
    save,
    to_base64,
)

PNG = save(picture(), "PNG")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """An image artefact; read it only."""
    return Artefact.open(publish_corners(tmp_path_factory.mktemp("models")))


@pytest.fixture
def task(artefact: Artefact) -> ImageTask:
    return ImageTask(artefact)


def test_task_is_known(artefact: Artefact) -> None:
    """The manifest's task name leads to this task."""
    assert isinstance(create_task(artefact), ImageTask)


@pytest.mark.parametrize(
    "instance",
    [PNG, {"b64": to_base64(PNG)}, {"b64": f"data:image/jpeg;base64,{to_base64(PNG)}"}],
    ids=["bytes", "base64", "data URL of another type"],
)
def test_decode(task: ImageTask, instance: Any) -> None:
    """Every form of an instance gives the same pixels; the content tells the format."""
    pixels = task.decode(instance)["image"]
    want = picture().resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pixels, np.asarray(want))


WRONG: dict[str, tuple[Any, type[RequestError], str]] = {
    "a text": ("x", InvalidInput, r'expected {"b64": "<base64 of an image>"}, got a text'),
    "a number": (1, InvalidInput, "expected .* got a number"),
    "null": (None, InvalidInput, "got null"),
    "no b64": ({}, InvalidInput, "got an object"),
    "more than b64": ({"b64": "", "url": "http://x"}, InvalidInput, "got an object"),
    "b64 is a list": ({"b64": [1]}, InvalidInput, "b64: expected a text, got a list"),
    "not base64": ({"b64": "?"}, Undecodable, "not valid base64"),
    "no image": ({"b64": to_base64(b"hello")}, Undecodable, "expected a JPEG, PNG"),
    "SVG": ({"b64": to_base64(b"<svg/>")}, UnsupportedMediaType, "an SVG drawing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_instances(task: ImageTask, name: str) -> None:
    """An instance that is no image is refused with what was expected."""
    instance, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        task.decode(instance)


def test_memory_is_shared(artefact: Artefact) -> None:
    """The memory for decoding is the server's, not the task's own."""
    task = create_task(artefact, MemoryBudget(1000))
    with pytest.raises(TooLarge, match="96 x 64 pixels"):
        task.decode(PNG)


@pytest.mark.parametrize("kind", ["image/jpeg", "image/x-anything", "application/octet-stream"])
def test_raw_body(task: ImageTask, kind: str) -> None:
    """A raw body is one image, whatever image type it says it is."""
    assert task.read_body(PNG, kind) == [PNG]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "video/mp4"])
def test_other_bodies(task: ImageTask, kind: str) -> None:
    """A body of another type is refused with the types that are taken."""
    with pytest.raises(UnsupportedMediaType, match=f"image/jpeg .* got '{kind}'"):
        task.read_body(PNG, kind)


def test_encode(task: ImageTask) -> None:
    """The best classes come first, each with index, label, wnid and probability."""
    scores = np.linspace(0, 0.11, 12, dtype=np.float32)
    assert task.encode({"probabilities": scores}, 2) == {
        "classes": [
            {"index": 11, **LABELS[11], "probability": float(scores[11])},
            {"index": 10, **LABELS[10], "probability": float(scores[10])},
        ]
    }


def test_parameters(task: ImageTask) -> None:
    """top_k is a positive whole number, 5 unless given; asking for more than all gives all."""
    assert task.read_parameters({}) == 5
    assert task.read_parameters({"top_k": 1}) == 1
    everything = task.encode({"probabilities": np.zeros(12, np.float32)}, 1000)
    assert len(everything["classes"]) == len(CLASSES)
    for given in ({"top_k": 0}, {"top_k": "3"}, {"top_k": True}, {"min_score": 0.5}):
        with pytest.raises(InvalidInput, match="parameters"):
            task.read_parameters(given)


def test_describe(task: ImageTask) -> None:
    """Metadata says how many classes there are and what the defaults are."""
    assert task.describe() == {"classes": 12, "parameters": {"top_k": 5}}


def test_best_class_is_named(artefact: Artefact) -> None:
    """The golden response of the artefact names the class that the picture shows."""
    best = artefact.golden().response["predictions"][0]["classes"][0]
    assert (best["index"], best["label"]) == (BEST, "red top left, spot")


# ---- Artefacts that must not be served


@pytest.fixture
def change(
    artefact: Artefact, tmp_path: Path
) -> Callable[[Callable[[Draft, Manifest], Manifest]], Artefact]:
    """Copy the artefact with one change."""

    def make(edit: Callable[[Draft, Manifest], Manifest]) -> Artefact:
        draft = Draft(tmp_path)
        for name in artefact.manifest.files:
            draft.write(name, (artefact.folder / name).read_bytes())
        return draft.seal(edit(draft, artefact.manifest))

    return make


LABEL_FILES: dict[str, tuple[Any, str]] = {
    "a list": (LABELS, "expected a list `labels`"),
    "no labels": ({"labels": []}, "expected a list `labels`"),
    "names only": ({"labels": CLASSES}, r"labels\[0\]: expected {.label.: text"),
    "an unknown field": ({"labels": [{"label": "x", "name": "y"}]}, r"labels\[0\]: expected"),
    "no label": ({"labels": [{"wnid": "n1"}]}, r"labels\[0\]: expected"),
    "an empty label": ({"labels": [{"label": ""}]}, "label: expected a text, got ''"),
    "a wnid that is null": ({"labels": [{"label": "x", "wnid": None}]}, "wnid: expected a text"),
    "another order": (
        {"labels": [{"index": 1, "label": "x"}, {"index": 0, "label": "y"}]},
        r"labels\[0\]: index: expected 0, got 1",
    ),
    "one too few": ({"labels": LABELS[1:]}, r"model with 11 labels has .* \[-1, 11\]"),
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_labels_are_checked(change: Any, name: str) -> None:
    """labels.json must name every output column, in order."""
    content, message = LABEL_FILES[name]

    def edit(draft: Draft, manifest: Manifest) -> Manifest:
        draft.write_json("labels.json", content)
        return manifest

    with pytest.raises(ArtefactError, match=message):
        ImageTask(change(edit))


def test_labels_with_index_and_without_wnid(change: Any) -> None:
    """index may be given when it is the position, and wnid may be left out."""

    def edit(draft: Draft, manifest: Manifest) -> Manifest:
        labels = [{"index": index, "label": name} for index, name in enumerate(CLASSES)]
        draft.write_json("labels.json", {"labels": labels})
        return manifest

    encoded = ImageTask(change(edit)).encode({"probabilities": np.ones(12, np.float32)}, 1)
    assert encoded["classes"] == [{"index": 0, "label": CLASSES[0], "probability": 1.0}]


def image(*shape: int, datatype: str = "UINT8", name: str = "image") -> TensorSpec:
    return TensorSpec(name, datatype, shape)


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "float input": ({"inputs": (image(-1, 32, 32, 3, datatype="FP32"),)}, "image UINT8"),
    "channels first": ({"inputs": (image(-1, 3, 32, 32),)}, "image UINT8"),
    "another name": ({"inputs": (image(-1, 32, 32, 3, name="input"),)}, "image UINT8"),
    "open size": ({"inputs": (image(-1, -1, -1, 3),)}, "image UINT8"),
    "fixed batch": ({"inputs": (image(1, 32, 32, 3),)}, "image UINT8"),
    "two inputs": ({"inputs": (image(-1, 32, 32, 3), image(-1, name="more"))}, "image UINT8"),
    "no resize": ({"preprocessing": {}}, "preprocessing.image: expected an object"),
    "a wrong resize": (
        {"preprocessing": {"image": {"resize": "squash", "filter": "best"}}},
        "preprocessing.image: filter: expected one of",
    ),
    "a wrong default": ({"parameters": {"top_k": 0}}, "top_k: expected a whole number"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_is_checked(change: Any, name: str) -> None:
    """A manifest that this task cannot follow is refused with its path and the reason."""
    fields, message = MANIFESTS[name]
    changed = change(lambda _, manifest: dataclasses.replace(manifest, **fields))
    with pytest.raises(ArtefactError, match=f"manifest.json: .*{message}"):
        ImageTask(changed)


def test_labels_are_needed(change: Any) -> None:
    """An artefact without labels.json is refused."""

    def edit(draft: Draft, manifest: Manifest) -> Manifest:
        (draft.folder / "labels.json").unlink()
        return manifest

    with pytest.raises(ArtefactError, match=r"labels\.json is not listed"):
        ImageTask(change(edit))
