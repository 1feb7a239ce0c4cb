"""Task `image-classification`: an image file in, the most probable classes out.

Shapes: JPEG, PNG, WebP, BMP or GIF bytes -> `image` UINT8 [H, W, 3] RGB -> `probabilities`
FP32 [C]. Channel order, scaling, normalisation and softmax are part of the graph, so every model
of this task has the input `image` UINT8 [-1, H, W, 3] and the output `probabilities` FP32 [-1, C].

What the artefact adds:
    manifest.json   "preprocessing": {"image": {...}}, see image_resize.py
    labels.json     {"labels": [{"label": "lynx, catamount", "wnid": "n02127052"}, ...]}
C objects in the order of the output. `wnid` (a WordNet id) may be left out; `index` may be given
and must then be the position, which protects a list that was sorted otherwise.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelserver.artefact import Artefact
from modelserver.errors import ArtefactError, InvalidInput, UnsupportedMediaType
from modelserver.jsontext import quote, show
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.memory_budget import MemoryBudget
from modelserver.tasks.base64_text import read_base64
from modelserver.tasks.elements import map_elements
from modelserver.tasks.fields import check_known, read_count
from modelserver.tasks.image_pixels import read_pixels
from modelserver.tasks.image_resize import Resize
from modelserver.tasks.ranking import top

LABELS_NAME = "labels.json"
INPUT = "image"
OUTPUT = "probabilities"

DEFAULT_TOP_K = 5
DEFAULT_MEMORY_BYTES = 256_000_000

_LABEL_FIELDS = {"index", "label", "wnid"}


class ImageTask:
    """Reads images and names their classes.

    Args:
        artefact: with labels.json, `preprocessing.image` and perhaps `parameters.top_k`.
        memory: what decoding may take; shared by all models of a server.

    Raises:
        ArtefactError: one of these is missing or does not fit the model.
    """

    encoded_input = INPUT

    def __init__(self, artefact: Artefact, memory: MemoryBudget | None = None) -> None:
        manifest = artefact.manifest
        where = f"{artefact.folder}/manifest.json"
        self._memory = memory or MemoryBudget(DEFAULT_MEMORY_BYTES)
        self._labels = _read_labels(artefact)
        height, width = _check_tensors(artefact, len(self._labels))
        try:
            self._resize = Resize.parse(manifest.preprocessing.get("image"), width, height)
        except ValueError as error:
            raise ArtefactError(f"{where}: preprocessing.image: {error}") from error
        try:
            self._top_k = read_count(manifest.parameters, "top_k", DEFAULT_TOP_K)
        except InvalidInput as error:
            raise ArtefactError(f"{where}: {error}") from error

    def read_parameters(self, given: Mapping[str, Any]) -> int:
        """Read `top_k`, the number of classes to answer."""
        check_known(given, ("top_k",))
        return read_count(given, "top_k", self._top_k)

    def read_body(self, body: bytes, content_type: str) -> list[bytes]:
        """Take any image type as one image; which format it is, its content tells."""
        if not content_type.startswith("image/") and content_type != "application/octet-stream":
            raise UnsupportedMediaType(
                "Content-Type: expected application/json, image/jpeg (or another image type) or "
                f"multipart/form-data, got {quote(content_type)}"
            )
        return [body]

    def decode(self, instance: Any) -> Mapping[str, np.ndarray]:
        """Decode one image, given as {"b64": …} or as the bytes of a file."""
        if not isinstance(instance, bytes):
            instance = _from_json(instance)
        return {INPUT: read_pixels(instance, self._resize, self._memory)}

    def from_tensor(self, name: str, array: np.ndarray) -> np.ndarray:
        """Decode files [N] into pixels [N, H, W, 3]; pixels stay as they are."""
        return np.stack(map_elements(array, self._decode_file)) if array.dtype == object else array

    def _decode_file(self, file: bytes | str) -> np.ndarray:
        data = read_base64(file) if isinstance(file, str) else file
        return read_pixels(data, self._resize, self._memory)

    def encode(self, row: Mapping[str, np.ndarray], parameters: int) -> dict[str, Any]:
        """Name the most probable classes, best first; the lower index wins a tie."""
        scores = row[OUTPUT]  # [C]
        best = top(scores, parameters)
        return {"classes": [{**self._labels[i], "probability": float(scores[i])} for i in best]}

    def labels(self, output: str) -> list[Any]:
        """The names of the classes."""
        return [label["label"] for label in self._labels]

    def describe(self) -> dict[str, Any]:
        """The number of classes and the defaults."""
        return {"classes": len(self._labels), "parameters": {"top_k": self._top_k}}


def _from_json(instance: Any) -> bytes:
    if not isinstance(instance, dict) or instance.keys() != {"b64"}:
        raise InvalidInput(f'expected {{"b64": "<base64 of an image>"}}, got {show(instance)}')
    if not isinstance(instance["b64"], str):
        raise InvalidInput(f"b64: expected a text, got {show(instance['b64'])}")
    return read_base64(instance["b64"])


def _check_tensors(artefact: Artefact, classes: int) -> tuple[int, int]:
    """Return height and width of the input."""
    manifest = artefact.manifest
    shape = manifest.inputs[0].shape
    height, width = shape[1:3] if len(shape) == 4 else (0, 0)
    expected = (
        (TensorSpec(INPUT, "UINT8", (ANY_SIZE, height, width, 3)),),
        (TensorSpec(OUTPUT, "FP32", (ANY_SIZE, classes)),),
    )
    if (manifest.inputs, manifest.outputs) != expected or min(height, width) < 1:
        raise ArtefactError(
            f"{artefact.folder}/manifest.json: an image-classification model with {classes} labels "
            f"has the input {INPUT} UINT8 [-1, height, width, 3] and the output {OUTPUT} FP32 "
            f"[-1, {classes}], got {list(manifest.inputs)} and {list(manifest.outputs)}"
        )
    return height, width


def _read_labels(artefact: Artefact) -> list[dict[str, Any]]:
    """Read what an answer says of each class: index, label and, when there is one, wnid."""
    where = f"{artefact.folder}/{LABELS_NAME}"
    content = artefact.read_json(LABELS_NAME)
    rows = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ArtefactError(f"{where}: expected a list `labels` with at least one class")
    return [_read_label(f"{where}: labels[{index}]", index, row) for index, row in enumerate(rows)]


def _read_label(where: str, index: int, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or row.keys() - _LABEL_FIELDS or "label" not in row:
        raise ArtefactError(f'{where}: expected {{"label": text, "wnid": text}}, got {row!r}')
    if row.get("index", index) != index:
        raise ArtefactError(f"{where}: index: expected {index}, got {row['index']!r}")
    texts = {name: row[name] for name in ("label", "wnid") if name in row}
    for name, text in texts.items():
        if not isinstance(text, str) or not text:
            raise ArtefactError(f"{where}: {name}: expected a text, got {text!r}")
    return {"index": index, **texts}
