"""The historic forms of images; each name of a request comes back with its three best classes.

    TensorFlow, PyTorch    {"input": {"<name>": "\\"<base64>\\""}}     the quotes are in the value
                           -> {"<name>": [["n02127052 lynx, catamount", 0.99657], …]}
    Keras                  {"input": "{\\"<name>\\": \\"<base64>\\"}"}   the object is in a text
                           -> {'<name>': [('n02127052', 'lynx', 0.98165), …]} as Python's repr
    multipart/form-data    a file for each image, its field is the name
                           -> {"<name>": [["n02127052", "lynx", 0.98165], …]}

`top_k`, beside `input` or as a field, asks for another number of classes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modelserver import v1
from modelserver.errors import InvalidInput, TooLarge, UnsupportedMediaType
from modelserver.jsontext import decode_json, quote, show
from modelserver.multipart import MULTIPART, read_parts
from modelserver.scoring import ScoringRequest
from modelserver.tasks.base64_text import read_base64
from modelserver.work import Work

TOP_K = 3

Form = Callable[[Any, bool], Any]
"""Makes what the client reads of the classes by name, and of whether it expects Python's repr."""

ClassForm = Callable[[Mapping[str, Any]], Any]
"""Turns one class of a prediction into what a client of that form reads."""


def read(request: ScoringRequest, form: Form) -> Work:
    """Read every image of a request, answered by the classes by name."""
    if v1.media_type(request.content_type) == MULTIPART:
        images, parameters = _read_multipart(request)
        return _read(request, images, parameters, _triple, lambda named: form(named, False))
    v1.require_json(request.content_type)
    content = decode_json(request.body)
    if not isinstance(content, dict) or "input" not in content:
        raise InvalidInput(f'body: expected {{"input": {{"<name>": "<base64>"}}}}, {_got(content)}')
    as_python = isinstance(content["input"], str)
    texts = decode_json(content["input"].encode()) if as_python else content["input"]
    if not isinstance(texts, dict) or not texts:
        raise InvalidInput(f'input: expected {{"<name>": "<base64>"}}, {_got(texts)}')
    if len(texts) > request.max_instances:
        raise TooLarge(f"input: expected at most {request.max_instances} images, got {len(texts)}")
    images = {name: _decode(name, text) for name, text in texts.items()}
    parameters = {"top_k": content.get("top_k", TOP_K)}
    class_form = _tuple if as_python else _pair
    return _read(request, images, parameters, class_form, lambda named: form(named, as_python))


def _read(
    request: ScoringRequest,
    images: Mapping[str, bytes],
    parameters: Mapping[str, Any],
    class_form: ClassForm,
    form: Callable[[Any], Any],
) -> Work:
    def answer(predictions: Sequence[Mapping[str, Any]]) -> Any:
        named = zip(images, predictions, strict=True)
        return form({name: [class_form(c) for c in found["classes"]] for name, found in named})

    return request.model.read(list(images.values()), parameters, answer)


def _read_multipart(request: ScoringRequest) -> tuple[dict[str, bytes], dict[str, Any]]:
    images: dict[str, bytes] = {}
    parameters: dict[str, Any] = {"top_k": TOP_K}
    for part in read_parts(request.content_type, request.body, request.max_instances):
        if not part.is_file:
            parameters[part.name] = v1.field_value(part.body)
        elif part.name in images:
            raise InvalidInput(f"multipart: two files have the name {quote(part.name)}")
        else:
            images[part.name] = part.body
    if not images:
        raise UnsupportedMediaType("multipart: expected a file for each image, got none")
    return images, parameters


def _decode(name: str, text: Any) -> bytes:
    """Decode base64 in the wrappings that Python clients leave around it: b'…' and quotes."""
    if not isinstance(text, str):
        raise InvalidInput(f"input: {quote(name)}: expected base64 as a text, {_got(text)}")
    text = text.strip().strip('"')
    if text[:2] == "b'":
        text = text[2:]
    return read_base64(text.strip("'"))


def _pair(found: Mapping[str, Any]) -> list[Any]:
    return [f"{found.get('wnid', '')} {found['label']}".strip(), found["probability"]]


def _triple(found: Mapping[str, Any]) -> list[Any]:
    # Keras' names: the first of several, words joined by underscores.
    name = found["label"].partition(",")[0].replace(" ", "_")
    return [found.get("wnid", ""), name, found["probability"]]


def _tuple(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_triple(found))


def _got(value: Any) -> str:
    return f"got {show(value)}"
