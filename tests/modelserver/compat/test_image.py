"""The historic image forms, as the reference implementation's own clients send and read them."""

import ast
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from modelserver.repository import Repository
from tests.modelserver.conftest import Site, load_repository
from tests.modelserver.image_samples import (
    BEST,
    LABELS,
    corner_scores,
    picture,
    publish_corners,
    save,
    to_base64,
)

JPEG = save(picture(), "JPEG")
TEXT = to_base64(JPEG)
SERVICE = "/api/v1/service/corners/score"
TOOK = re.compile(r"Computed in \d+\.\d\d ms")
WNID = f"n{BEST:08d}"


@pytest.fixture(scope="module")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """An image model alone, as /score needs it."""
    repository = tmp_path_factory.mktemp("models")
    publish_corners(repository)
    return load_repository(repository)


@pytest.fixture
def image_site(make_site: Callable[..., Site], corners: Repository) -> Site:
    return make_site(corners)


def files(**images: bytes) -> dict[str, Any]:
    return {name: (io.BytesIO(content), f"{name}.jpg") for name, content in images.items()}


def upload(site: Site, path: str, data: dict[str, Any]) -> TestResponse:
    return site.scoring.post(path, data=data, content_type="multipart/form-data")


@pytest.mark.parametrize(
    "text",
    [f'"{TEXT}"', TEXT, f"b'{TEXT}'", f"\"b'{TEXT}'\"", f"data:image/jpeg;base64,{TEXT}"],
    ids=["literal quotes", "bare", "bytes repr", "quoted bytes repr", "data URL"],
)
def test_tensorflow_form(image_site: Site, text: str) -> None:
    """An object of names gets pairs of "wnid label" and probability, three for each name."""
    answer = image_site.post("/score", {"input": {"lynx": text}}).json
    assert answer.keys() == {"result"}
    (named,), took = [answer["result"][0]], answer["result"][1]
    assert TOOK.fullmatch(took)
    assert named.keys() == {"lynx"}
    assert len(named["lynx"]) == 3
    label, probability = named["lynx"][0]
    assert label == f"{WNID} red top left, spot"
    assert label.split(" ", 1)[1].split(",")[0] == "red top left"
    assert probability == pytest.approx(1, abs=0.3)


def test_tensorflow_form_takes_many(image_site: Site) -> None:
    """Every name gets its own answer, in order, and top_k asks for more classes."""
    images = {"a": JPEG, "b": save(picture().rotate(180), "PNG")}
    body = {"input": {name: f'"{to_base64(i)}"' for name, i in images.items()}, "top_k": 12}
    named = image_site.post("/score", body).json["result"][0]
    assert list(named) == ["a", "b"]
    assert [len(classes) for classes in named.values()] == [12, 12]
    assert named["b"][0][0].endswith("red bottom right, spot")


def test_keras_form(image_site: Site) -> None:
    """A text that holds JSON gets the text that Python's repr makes, for clients that eval it."""
    result = image_site.post("/score", {"input": f'{{"image": "{TEXT}"}}'}).json["result"]
    assert isinstance(result, str)
    named, took = ast.literal_eval(result)
    assert TOOK.fullmatch(took)
    wnid, name, probability = named["image"][0]
    assert (wnid, name) == (WNID, "red_top_left")
    assert probability == pytest.approx(1, abs=0.3)
    assert len(named["image"]) == 3


def test_keras_reply_holds_no_code(image_site: Site) -> None:
    """A name that looks like Python comes back as a text inside the repr."""
    name = "'}, __import__('os').getpid(), {'"
    result = image_site.post("/score", {"input": f'{{"{name}": "{TEXT}"}}'}).json["result"]
    assert list(ast.literal_eval(result)[0]) == [name]


def test_multipart_form(image_site: Site) -> None:
    """On the second path, files get a list of triples by field name, without "result"."""
    named, took = upload(image_site, SERVICE, files(image=JPEG)).json
    assert TOOK.fullmatch(took)
    assert named["image"][0][:2] == [WNID, "red_top_left"]
    assert len(named["image"]) == 3


def test_multipart_form_on_the_first_path(image_site: Site) -> None:
    """On /score the same list stands in "result"."""
    answer = upload(image_site, "/score", {**files(a=JPEG, b=JPEG), "top_k": "1"}).json
    assert [len(answer["result"][0][name]) for name in ("a", "b")] == [1, 1]


def test_json_forms_on_the_second_path(image_site: Site) -> None:
    """The second path answers the JSON forms too, without "result"."""
    named, _ = image_site.post(SERVICE, {"input": {"x": TEXT}}).json
    assert len(named["x"]) == 3
    assert ast.literal_eval(image_site.post(SERVICE, {"input": f'{{"x": "{TEXT}"}}'}).json)


def test_same_numbers_as_the_task_api(image_site: Site) -> None:
    """The historic forms change names, not numbers."""
    body = {"instances": [{"b64": TEXT}], "parameters": {"top_k": 3}}
    classes = image_site.post("/v1/models/corners:predict", body).json["predictions"][0]["classes"]
    pairs = image_site.post("/score", {"input": {"x": TEXT}}).json["result"][0]["x"]
    assert [pair[1] for pair in pairs] == [found["probability"] for found in classes]
    assert corner_scores.__doc__  # the numbers themselves: test_image_server.py


def test_no_files(image_site: Site) -> None:
    """Multipart without a file is 415, as it was."""
    answer = upload(image_site, SERVICE, {"top_k": "3"})
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


WRONG: dict[str, tuple[Any, int, str]] = {
    "no input": ({}, 422, "body: expected"),
    "a list": ([], 422, "body: expected"),
    "input is a number": ({"input": 3}, 422, "input: expected"),
    "input is null": ({"input": None}, 422, "input: expected"),
    "no images": ({"input": {}}, 422, "input: expected"),
    "a text that is not JSON": ({"input": "What is this?"}, 400, "not valid JSON"),
    "a text that holds a list": ({"input": "[]"}, 422, "input: expected"),
    "an image that is a number": ({"input": {"x": 3}}, 422, "expected base64 as a text"),
    "not base64": ({"input": {"x": "?"}}, 400, "not valid base64"),
    "no image": ({"input": {"x": "aGVsbG8="}}, 400, "expected a JPEG"),
    "too many": ({"input": dict.fromkeys("abcdefghi", TEXT)}, 413, "at most 8 images, got 9"),
    "top_k is wrong": ({"input": {"x": TEXT}, "top_k": 0}, 422, "top_k"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests(image_site: Site, name: str) -> None:
    """What was an error page of status 500 says what is wrong."""
    body, status, message = WRONG[name]
    answer = image_site.post("/score", body)
    assert (answer.status_code, message in answer.json["error"]) == (status, True), answer.json


def test_two_files_of_one_name(image_site: Site) -> None:
    """Two files of one field cannot both be answered by its name."""
    data = {"x": [(io.BytesIO(JPEG), "a.jpg"), (io.BytesIO(JPEG), "b.jpg")]}
    answer = upload(image_site, "/score", data)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_other_content_types(image_site: Site) -> None:
    """A raw image has no historic form."""
    answer = image_site.post("/score", JPEG, content_type="image/jpeg")
    assert answer.status_code == 415


def test_labels_have_wnids() -> None:
    """The tests above mean something only with WordNet ids."""
    assert LABELS[BEST]["wnid"] == WNID
