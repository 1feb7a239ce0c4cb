"""The task API's request form."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from modelserver.errors import (
    InvalidInput,
    RequestError,
    TooLarge,
    Undecodable,
    UnsupportedMediaType,
)
from modelserver.v1 import media_type, read_request, require_json

NOT_JSON = "text/plain"


class FakeTask:
    """Takes every body as it is."""

    def read_body(self, body: bytes, content_type: str) -> list[Any]:
        return [content_type, body]


def read(
    body: bytes, content_type: str = "application/json"
) -> tuple[list[Any], Mapping[str, Any]]:
    return read_request(FakeTask(), content_type, body, max_instances=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "instances", "parameters"),
    [
        ('{"instances": [1]}', [1], {}),
        ('{"instances": [1, "a", null], "parameters": {}}', [1, "a", None], {}),
        ('{"parameters": {"top_k": 1}, "instances": [[]]}', [[]], {"top_k": 1}),
    ],
)
def test_request(body: str, instances: list[Any], parameters: dict[str, Any]) -> None:
    """A request holds instances, and parameters when it wants any."""
    assert read(body.encode()) == (instances, parameters)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"", Undecodable, "body: not valid JSON"),
        (b"{", Undecodable, "body: not valid JSON"),
        (b"[1]", InvalidInput, 'body: expected {"instances": […]}, got a list'),
        (b"null", InvalidInput, "body: expected"),
        (b'"instances"', InvalidInput, "body: expected"),
        (b"{}", InvalidInput, "instances: expected a list with at least one, got null"),
        (b'{"instances": null}', InvalidInput, "instances: expected"),
        (
            b'{"instances": []}',
            InvalidInput,
            "instances: expected a list with at least one, got an empty list",
        ),
        (b'{"instances": "a"}', InvalidInput, "instances: expected"),
        (b'{"instances": {"0": 1}}', InvalidInput, "instances: expected"),
        (b'{"instances": []}', InvalidInput, "instances: expected"),
        (b'{"instances": [1,2,3,4]}', TooLarge, "instances: expected at most 3, got 4"),
        (b'{"instances": [1], "parameters": null}', InvalidInput, "parameters: expected an object"),
        (b'{"instances": [1], "parameters": [1]}', InvalidInput, "parameters: expected an object"),
        (b'{"instances": [1], "top_k": 1}', InvalidInput, "body: unknown 'top_k'; expected"),
        (b'{"inputs": [1]}', InvalidInput, "body: unknown 'inputs'; expected instances and para"),
        (
            json.dumps({"x" * 5000: 1}).encode(),
            InvalidInput,
            f"body: unknown '{'x' * 60}…'; expected instances",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_request(body: bytes, error: type[RequestError], message: str) -> None:
    """What does not have the form is refused with the field, expected and got."""
    with pytest.raises(error) as caught:
        read(body)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("", "application/json"),
        (" ; charset=utf-8", "application/json"),
        ("application/json", "application/json"),
        ("Application/JSON; charset=UTF-8", "application/json"),
        ("text/plain;charset=utf-8", "text/plain"),
        ("  image/png  ", "image/png"),
    ],
)
def test_media_type(content_type: str, kind: str) -> None:
    """Parameters and case of a content type do not matter; none at all means JSON."""
    assert media_type(content_type) == kind


def test_other_bodies_go_to_the_task() -> None:
    """A body that is not JSON is the task's to read, and has no parameters."""
    assert read(b"x", "Text/Plain; charset=utf-8") == (["text/plain", b"x"], {})


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", '"iso-8859-1"', "x"])
@pytest.mark.parametrize("kind", ["application/json", NOT_JSON])
def test_other_charsets(kind: str, charset: str) -> None:
    """A text in another encoding would be misread, so it is refused by name."""
    with pytest.raises(UnsupportedMediaType, match="charset: expected utf-8, got "):
        read(b'{"instances": [1]}', f"{kind}; charset={charset}")


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "us-ascii"])
def test_charsets_that_are_utf8(charset: str) -> None:
    """UTF-8 in every spelling is taken, and ASCII, which is part of it."""
    read(b'{"instances": [1]}', f"application/json; charset={charset}")
    read(b"x", f"text/plain; format=flowed; Charset={charset}")


def test_require_json() -> None:
    """Forms that only take JSON refuse the rest with a word on the header."""
    require_json("application/json; charset=utf-8")
    require_json("")
    with pytest.raises(UnsupportedMediaType, match="Content-Type: expected application/json, got"):
        require_json("text/plain")


def test_form_encoding() -> None:
    """What curl sends by itself is refused with the header that mends it."""
    for refuse in (require_json, lambda kind: read(b"x", kind)):
        with pytest.raises(UnsupportedMediaType, match=r"curl .* -H 'Content-Type: application/js"):
            refuse("application/x-www-form-urlencoded; charset=utf-8")
