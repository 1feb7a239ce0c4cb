"""The errors that paths answer, by status; docs/api.md says more of each."""

from collections.abc import Iterable
from typing import Any

from modelserver.openapi.schemas import schema

_MEANINGS = {
    400: "The body is not what its content type says.",
    401: "An API key is needed.",
    403: "The API key is not known here.",
    404: "There is no such path, model or version.",
    411: "The request has no body, or does not say how long it is.",
    413: "Too large: bytes, pixels, rows, characters or elements.",
    415: "The model does not take this content type or encoding.",
    422: "Well formed, but not what the model takes.",
    429: "The client is over its own limit; `Retry-After` says when to come back.",
    500: "A fault of the server or of the model.",
    503: "Starting, stopping or full; `Retry-After` says when to come back.",
    504: "The time that the caller gave, or the server allows, ran out.",
}

_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}

RESPONSES: dict[str, Any] = {
    f"E{status}": {
        "description": meaning,
        "content": {"application/json": {"schema": schema("Error")}},
        **({"headers": _RETRY} if status in (429, 503) else {}),
    }
    for status, meaning in _MEANINGS.items()
}
"""The components."""

OF_PAGES = (401, 403, 404, 429, 500, 503)
"""What a page on a model can answer instead."""

OF_SCORING = tuple(_MEANINGS)
"""What a scoring path can answer instead."""


def errors(statuses: Iterable[int]) -> dict[str, Any]:
    """The entries of an operation's `responses`."""
    return {str(s): {"$ref": f"#/components/responses/E{s}"} for s in statuses}


def answer(description: str, content: Any, kind: str = "application/json") -> dict[str, Any]:
    """The entry of status 200.

    Args:
        description: what it says.
        content: its schema.
        kind: its content type.
    """
    return {"200": {"description": description, "content": {kind: {"schema": content}}}}
