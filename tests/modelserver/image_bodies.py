"""Every way to put an image into a request, and to read the best class out of the answer."""

import ast
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conftest import Answer, RunningServer
from tests.modelserver.image_samples import to_base64

JSON = "application/json"


def _json(value: Any) -> tuple[bytes, str]:
    return json.dumps(value).encode(), JSON


def multipart(content: bytes, field: str = "image") -> tuple[bytes, str]:
    """A form with one file."""
    edge = secrets.token_hex(8)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{field}"; filename="x"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


@dataclass(frozen=True)
class Form:
    """A path, what to send for an image, and where the best class is in the answer.

    Args:
        path: with {} for the model's name.
        body: an image's bytes -> body and content type.
        best: the decoded answer -> (index, WordNet id or label, probability); the historic forms
            have no index.
    """

    path: str
    body: Callable[[bytes], tuple[bytes, str]]
    best: Callable[[Any], tuple[int | None, str, float]]

    def send(self, server: RunningServer, model: str, content: bytes) -> Answer:
        """Send one image."""
        body, content_type = self.body(content)
        return server.request(self.path.format(model), body, Content_Type=content_type)


def _predicted(answer: Any) -> tuple[int | None, str, float]:
    best = answer["predictions"][0]["classes"][0]
    return best["index"], best["wnid"], best["probability"]


def _pair(answer: Any) -> tuple[int | None, str, float]:
    label, probability = answer["result"][0]["image"][0]
    return None, label.split(" ")[0], probability


def _keras(answer: Any) -> tuple[int | None, str, float]:
    wnid, _, probability = ast.literal_eval(answer["result"])[0]["image"][0]
    return None, wnid, probability


def _triple(answer: Any) -> tuple[int | None, str, float]:
    wnid, _, probability = answer[0]["image"][0]
    return None, wnid, probability


PREDICT = "/v1/models/{}:predict"

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
    "raw": Form(PREDICT, lambda content: (content, "image/jpeg"), _predicted),
    "octet-stream": Form(
        PREDICT, lambda content: (content, "application/octet-stream"), _predicted
    ),
    "multipart": Form(PREDICT, multipart, _predicted),
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
    "historic-multipart": Form("/api/v1/service/{}/score", multipart, _triple),
}
