"""What goes back to a client: one shape for every answer and every error."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from modelserver.errors import ServingError
from modelserver.jsontext import encode_json

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


REQUEST_ID = "modelserver.request_id"
"""Where the WSGI environment holds the request's id."""

_STATUS_LINES = {
    # Never sent, since its client is gone; known to logs under this number.
    499: "499 Client Closed Request",
    **{status.value: f"{status.value} {status.phrase}" for status in HTTPStatus},
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; `code` is the stable error code, empty for an answer."""

    status: int
    body: bytes
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def status_line(self) -> str:
        """Status and reason, as WSGI wants them."""
        return _STATUS_LINES[self.status]

    def header_list(self, request_id: str) -> list[tuple[str, str]]:
        """All headers, as WSGI wants them."""
        return [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
            ("X-Request-Id", request_id),
            *self.headers.items(),
        ]


def answer(value: Any) -> Reply:
    """Reply with a value."""
    return Reply(200, encode_json(value))


def refusal(error: ServingError, request_id: str) -> Reply:
    """Reply with an error: {"error": what was wrong, "code": …, "request_id": …}."""
    body = error_body(str(error), error.code, request_id)
    return Reply(error.status, body, error.code, error.headers)


def error_body(message: str, code: str, request_id: str) -> bytes:
    """The JSON of an error; `error` comes first, because it is what clients show."""
    return encode_json({"error": message, "code": code, "request_id": request_id})


def request_id(given: str = "") -> str:
    """The caller's X-Request-Id when it is safe to log and echo, or a new one."""
    return given if given and _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"
