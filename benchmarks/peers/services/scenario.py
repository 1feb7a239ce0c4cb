"""What every peer serves: one of three models, written by hand as a team would.

The environment says which: PEER_SCENARIO is text, image or tensor; PEER_ARTEFACT is the folder with
model.onnx. A request is read into a row, rows are run together, and each gets its answer.
"""

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

TOP_K = 5
_SPACES = re.compile(r"\s+")


class Model:
    """An ONNX session on one thread."""

    def __init__(self) -> None:
        folder = Path(os.environ["PEER_ARTEFACT"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = str(folder / "model.onnx")
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.folder = folder
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run rows [N, ...] -> [N, ...]."""
        return self._session.run([self._output], {self._input: batch})[0]


class Text(Model):
    """One question -> the best FAQs."""

    def __init__(self) -> None:
        super().__init__()
        self._faqs = json.loads((self.folder / "faqs.json").read_text())["faqs"]

    def read(self, value: Any) -> str:
        """Clean a question as the model was trained."""
        return _SPACES.sub(" ", value).strip().lower()

    def score(self, rows: list[str]) -> list[Any]:
        """The best FAQs of each question."""
        return [self._best(row) for row in self.run(np.array(rows, dtype=object))]

    def _best(self, scores: np.ndarray) -> dict[str, Any]:
        order = np.argsort(-scores)[:TOP_K]
        fields = ("id", "answer_id", "title")
        matches = [
            {**{field: self._faqs[i].get(field) for field in fields}, "score": float(scores[i])}
            for i in order
        ]
        return {"matches": matches}


class Image(Model):
    """One JPEG -> the best classes."""

    def __init__(self) -> None:
        super().__init__()
        labels = json.loads((self.folder / "labels.json").read_text())["labels"]
        self._labels = [label["label"] for label in labels]

    def read(self, value: bytes) -> np.ndarray:
        """Decode, resize the shorter side to 256 and cut out 224 x 224: [224, 224, 3]."""
        from PIL import Image as Pillow

        image = Pillow.open(io.BytesIO(value)).convert("RGB")
        scale = 256 / min(image.size)
        size = (int(image.width * scale), int(image.height * scale))
        image = image.resize(size, Pillow.Resampling.BILINEAR)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        return np.asarray(image.crop((left, top, left + 224, top + 224)))

    def score(self, rows: list[np.ndarray]) -> list[Any]:
        """The best classes of each image."""
        return [self._best(row) for row in self.run(np.stack(rows))]

    def _best(self, scores: np.ndarray) -> dict[str, Any]:
        order = np.argsort(-scores)[:TOP_K]
        return {"classes": [{"label": self._labels[i], "p": float(scores[i])} for i in order]}


class Tensor(Model):
    """Three numbers -> their sum, in the form of the Open Inference Protocol."""

    def read(self, value: Any) -> np.ndarray:
        """The data of the only input."""
        (entry,) = value["inputs"]
        return np.array(entry["data"], np.float32)

    def score(self, rows: list[np.ndarray]) -> list[Any]:
        """An answer for each."""
        return [
            {
                "model_name": "sum",
                "outputs": [
                    {"name": "y", "datatype": "FP32", "shape": [1, 1], "data": row.tolist()}
                ],
            }
            for row in self.run(np.stack(rows))
        ]


def load() -> Any:
    """The model that the environment names."""
    return {"text": Text, "image": Image, "tensor": Tensor}[os.environ["PEER_SCENARIO"]]()


def of_json(value: Any) -> Any:
    """What `read` takes, out of a JSON body: {"text": …} or the body itself."""
    return value.get("text", value)
