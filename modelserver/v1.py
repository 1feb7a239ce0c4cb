"""The task API's request and response form: KServe and TensorFlow Serving call it V1.

{"instances": [...], "parameters": {...}}  ->  {"model_name", "model_version", "predictions"}

Instead of JSON a body may be one instance (an image, a text), or multipart/form-data with a file
for each instance and a plain field for each parameter.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

from modelserver.errors import InvalidInput, TooLarge, Undecodable, UnsupportedMediaType
from modelserver.jsontext import decode_json, quote, show
from modelserver.multipart import MULTIPART, read_parts
from modelserver.tasks import Task

JSON = "application/json"

_FORM = "application/x-www-form-urlencoded"
_CHARSET = re.compile(r';\s*charset="?([^";\s]*)', re.IGNORECASE)
_UTF8 = ("utf-8", "utf8", "us-ascii")  # ASCII is a part of it


def read_request(
    task: Task, content_type: str, body: bytes, max_instances: int
) -> tuple[list[Any], Mapping[str, Any]]:
    """Read the instances and parameters of one request.

    Args:
        task: reads bodies that are not JSON.
        content_type: as the client sent it; empty counts as JSON.
        body: the request body.
        max_instances: most instances a request may hold.

    Raises:
        RequestError: the body cannot be decoded or does not have the form above.
    """
    kind = media_type(content_type)
    if kind == MULTIPART:
        return _read_multipart(task, content_type, body, max_instances)
    if kind != JSON:
        return task.read_body(body, kind), {}
    content = decode_json(body)
    if not isinstance(content, dict):
        raise InvalidInput(f'body: expected {{"instances": […]}}, got {show(content)}')
    unknown = sorted(content.keys() - {"instances", "parameters"})
    if unknown:
        raise InvalidInput(f"body: unknown {quote(unknown[0])}; expected instances and parameters")
    instances = content.get("instances")
    if not isinstance(instances, list) or not instances:
        raise InvalidInput(f"instances: expected a list with at least one, got {show(instances)}")
    if len(instances) > max_instances:
        raise TooLarge(f"instances: expected at most {max_instances}, got {len(instances)}")
    parameters = content.get("parameters", {})
    if not isinstance(parameters, dict):
        raise InvalidInput(f"parameters: expected an object, got {show(parameters)}")
    return instances, parameters


def _read_multipart(
    task: Task, content_type: str, body: bytes, max_instances: int
) -> tuple[list[Any], Mapping[str, Any]]:
    instances: list[Any] = []
    parameters: dict[str, Any] = {}
    for part in read_parts(content_type, body, max_instances):
        if part.is_file:
            instances += task.read_body(part.body, part.content_type)
        elif part.name in parameters:
            raise InvalidInput(f"multipart: the field {quote(part.name)} comes twice")
        else:
            parameters[part.name] = field_value(part.body)
    if not instances:
        raise InvalidInput("multipart: expected at least one file, got none")
    return instances, parameters


def field_value(text: bytes) -> Any:
    """A form knows texts only: one that reads as JSON, such as 3 or 0.5, counts as that."""
    try:
        return decode_json(text)
    except Undecodable:
        return text.decode("utf-8", "replace")


@functools.lru_cache(maxsize=64)  # callers say the same again and again
def media_type(content_type: str) -> str:
    """The content type without its parameters, lower-case; JSON when there is none.

    Raises:
        UnsupportedMediaType: the encoding of web forms, or a charset other than UTF-8.
    """
    kind = content_type.partition(";")[0].strip().lower() or JSON
    if kind == _FORM:
        raise UnsupportedMediaType(
            f"Content-Type: expected {JSON}, or text/plain or image/jpeg where the model takes "
            f"that, got {_FORM!r}, which curl sends unless it gets -H 'Content-Type: {JSON}'"
        )
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in _UTF8:
        raise UnsupportedMediaType(f"charset: expected utf-8, got {quote(charset[1])}")
    return kind


def require_json(content_type: str) -> None:
    """Refuse a body that says it is something else than JSON."""
    kind = media_type(content_type)
    if kind != JSON:
        raise UnsupportedMediaType(f"Content-Type: expected {JSON}, got {quote(kind)}")
