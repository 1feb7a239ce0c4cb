"""Every way to put an image into a request, and to read the best class out of the answer."""

import ast
import json
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conftest import Answer, RunningServer
from tests.modelserver.image_samples import to_base64

Body = tuple[bytes, dict[str, str]]
"""What is sent: the bytes, and headers with underscores in their names."""


def _json(value: Any) -> Body:
    return json.dumps(value).encode(), {"Content_Type": "application/json"}


def _multipart(content: bytes, field: str = "image") -> Body:
    """A form with one file."""
    edge = secrets.token_hex(8)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="x"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    return body, {"Content_Type": f"multipart/form-data; boundary={edge}"}


def _tensor(**more: Any) -> dict[str, Any]:
    """An Open Inference Protocol request for one encoded file."""
    return {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], **more}]}


def _binary_tensor(content: bytes) -> Body:
    """The file in the protocol's binary form: its length and its bytes after the JSON."""
    element = struct.pack("<I", len(content)) + content
    head, headers = _json(_tensor(parameters={"binary_data_size": len(element)}))
    return head + element, {**headers, "Inference_Header_Content_Length": str(len(head))}


@dataclass(frozen=True)
class Form:
    """A path, what to send for an image, and where the best class is in the answer.

    Args:
        path: with {} for the model's name.
        body: an image's bytes -> body and headers.
        best: the decoded answer -> (index, WordNet id, probability); the historic forms have no
            index, the Open Inference Protocol has no id.
    """

    path: str
    body: Callable[[bytes], Body]
    best: Callable[[Any], tuple[int | None, str | None, float]]

    def send(self, server: RunningServer, model: str, content: bytes) -> Answer:
        """Send one image."""
        body, headers = self.body(content)
        return server.request(self.path.format(model), body, **headers)


def _predicted(answer: Any) -> tuple[int | None, str | None, float]:
    best = answer["predictions"][0]["classes"][0]
    return best["index"], best["wnid"], best["probability"]


def _pair(answer: Any) -> tuple[int | None, str | None, float]:
    label, probability = answer["result"][0]["image"][0]
    return None, label.split(" ")[0], probability


def _keras(answer: Any) -> tuple[int | None, str | None, float]:
    wnid, _, probability = ast.literal_eval(answer["result"])[0]["image"][0]
    return None, wnid, probability


def _triple(answer: Any) -> tuple[int | None, str | None, float]:
    wnid, _, probability = answer[0]["image"][0]
    return None, wnid, probability


def _highest(answer: Any) -> tuple[int | None, str | None, float]:
    (output,) = answer["outputs"]
    best = max(range(len(output["data"])), key=output["data"].__getitem__)
    return best, None, output["data"][best]


PREDICT = "/v1/models/{}:predict"
INFER = "/v2/models/{}/infer"

FORMS = {
    "json": Form(
        PREDICT, lambda content: _json({"instances": [{"b64": to_base64(content)}]}), _predicted
    ),
    "data-url": Form(
        PREDICT,
        lambda content: _json(
            {"instances": [{"b64": "data:image/png;base64," + to_base64(content)}]}
        ),
        _predicted,
    ),
    "raw": Form(PREDICT, lambda content: (content, {"Content_Type": "image/jpeg"}), _predicted),
    "octet-stream": Form(
        PREDICT, lambda content: (content, {"Content_Type": "application/octet-stream"}), _predicted
    ),
    "multipart": Form(PREDICT, _multipart, _predicted),
    "historic-quoted": Form(
        "/score",
        lambda content: _json({"input": {"image": f'"{to_base64(content)}"'}}),
        _pair,
    ),
    "historic-repr": Form(
        "/score",
        lambda content: _json({"input": json.dumps({"image": to_base64(content)})}),
        _keras,
    ),
    "historic-multipart": Form("/api/v1/service/{}/score", _multipart, _triple),
    "oip-json": Form(INFER, lambda content: _json(_tensor(data=[to_base64(content)])), _highest),
    "oip-binary": Form(INFER, _binary_tensor, _highest),
}
