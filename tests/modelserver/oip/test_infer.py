"""Inference requests of the protocol, from body to body."""

import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
from werkzeug.test import TestResponse

from modelserver.datatypes import DTYPES
from tests.modelserver.conftest import MAX_BODY_BYTES, Site
from tests.modelserver.image_samples import BEST, CLASSES, SIDE, picture, save, to_base64
from tests.modelserver.oip.tensors import (
    HEADER_LENGTH,
    Body,
    binary_body,
    binary_tensor,
    echo_name,
    extremes,
    read_answer,
    tensor,
    to_bytes,
)

IN_JSON = [datatype for datatype in DTYPES if datatype != "FP16"]
BINARY_OUT = {"parameters": {"binary_data_output": True}}
ROWS = np.array([[1, 2, 3], [0.5, 0.25, 0.125]], np.float32)
X = tensor("x", "FP32", ROWS)


def post(site: Site, model: str, body: Any, **headers: str) -> TestResponse:
    """Send one inference request to a model or to `<model>/versions/<version>`."""
    if isinstance(body, Body):
        headers = {**body.headers, **headers}
        body = body.content
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.post(f"/v2/models/{model}/infer", body, headers=named)


def outputs_of(answer: TestResponse) -> dict[str, np.ndarray]:
    """The outputs of an answer that must be one."""
    assert answer.status_code == 200, answer.data
    return read_answer(answer.data, answer.headers.get)


@pytest.mark.parametrize("datatype", IN_JSON)
def test_json_both_ways(oip: Site, datatype: str) -> None:
    """Every datatype comes back from JSON as it was, its extremes too, in a flat list."""
    array = extremes(datatype)
    answer = post(oip, echo_name(datatype), {"inputs": [tensor("x", datatype, array)]})
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("y", datatype, [2, 2])
    assert len(output["data"]) == 4
    np.testing.assert_array_equal(outputs_of(answer)["y"], array)


@pytest.mark.parametrize("datatype", DTYPES)
def test_binary_both_ways(oip: Site, datatype: str) -> None:
    """Every datatype comes back from raw bytes bit by bit, in the type that HTTP has for bytes."""
    array = extremes(datatype)
    body = binary_body(binary_tensor("x", datatype, array), **BINARY_OUT)
    answer = post(oip, echo_name(datatype), body)
    assert to_bytes(outputs_of(answer)["y"]) == to_bytes(array)
    assert answer.content_type == "application/octet-stream"
    head = json.loads(answer.data[: int(answer.headers[HEADER_LENGTH])])
    assert head["outputs"][0]["parameters"] == {"binary_data_size": len(to_bytes(array))}
    assert "data" not in head["outputs"][0]


@pytest.mark.parametrize("padding", range(8))
def test_binary_data_at_any_offset(oip: Site, padding: int) -> None:
    """Numbers are read right wherever the JSON before them happens to end."""
    array = extremes("FP64")
    body = binary_body(binary_tensor("x", "FP64", array), id="i" * padding)
    np.testing.assert_array_equal(outputs_of(post(oip, "echo-fp64", body))["y"], array)


def test_nested_data(oip: Site) -> None:
    """Data may be nested as the shape says instead of flat."""
    nested = {**X, "data": ROWS.tolist()}
    assert post(oip, "sum", {"inputs": [nested]}).json == post(oip, "sum", {"inputs": [X]}).json


def test_json_in_and_binary_out(oip: Site) -> None:
    """The form of the inputs says nothing about the form of the outputs."""
    answer = post(oip, "sum", {"inputs": [X], **BINARY_OUT})
    np.testing.assert_array_equal(outputs_of(answer)["y"], [[6], [0.875]])
    assert HEADER_LENGTH in answer.headers
    answer = post(oip, "sum", binary_body(binary_tensor("x", "FP32", ROWS)))
    assert answer.json["outputs"][0]["data"] == [6.0, 0.875]
    assert HEADER_LENGTH not in answer.headers
    assert answer.content_type == "application/json"


def test_envelope(oip: Site) -> None:
    """The answer names model and version and echoes the id; without one it has none."""
    answer = post(oip, "sum", {"id": "a b/7", "inputs": [X]})
    assert list(answer.json) == ["model_name", "model_version", "id", "outputs"]
    assert (answer.json["model_name"], answer.json["model_version"]) == ("sum", "10")
    assert answer.json["id"] == "a b/7"
    for absent in ({}, {"id": None}):
        assert "id" not in post(oip, "sum", {**absent, "inputs": [X]}).json
    assert post(oip, "sum/versions/2", {"inputs": [X]}).json["model_version"] == "2"


def test_single_numbers_are_written_short(oip: Site) -> None:
    """A float of 32 bits is written with the digits that it has, not those of a double."""
    body = {"inputs": [tensor("x", "FP32", np.array([[0.1, 0.2]], np.float32))]}
    assert b'"data":[0.1,0.2]' in post(oip, "echo-fp32", body).data


PAIR = [
    tensor("left", "FP32", np.array([[1, 2]], np.float32)),
    tensor("right", "INT64", np.array([3])),
]


def test_outputs_are_chosen(oip: Site) -> None:
    """The answer holds the outputs that were asked for, in that order; none or [] mean all."""
    everything = post(oip, "pair", {"inputs": PAIR}).json["outputs"]
    assert [output["name"] for output in everything] == ["both", "twice"]
    assert post(oip, "pair", {"inputs": PAIR, "outputs": []}).json["outputs"] == everything
    wanted = [{"name": "twice"}, {"name": "both"}]
    swapped = post(oip, "pair", {"inputs": PAIR, "outputs": wanted}).json["outputs"]
    assert swapped == everything[::-1]
    assert post(oip, "pair", {"inputs": PAIR, "outputs": wanted[:1]}).json["outputs"] == swapped[:1]


def test_outputs_say_their_own_form(oip: Site) -> None:
    """An output's own binary_data wins over binary_data_output of the request."""
    for whole in (True, False):
        request = {
            "inputs": PAIR,
            "parameters": {"binary_data_output": whole},
            "outputs": [
                {"name": "both", "parameters": {"binary_data": not whole}},
                {"name": "twice"},
            ],
        }
        answer = post(oip, "pair", request)
        head = json.loads(answer.data[: int(answer.headers[HEADER_LENGTH])])
        assert ["data" in output for output in head["outputs"]] == [whole, not whole]
        found = outputs_of(answer)
        assert (found["both"].tolist(), found["twice"].tolist()) == ([[1, 2]], [6])


def test_mixed_inputs(oip: Site) -> None:
    """Inputs in JSON and binary stand side by side, in any order; bytes follow in that order."""
    left, left_bytes = binary_tensor("left", "FP32", np.array([[1, 2]], np.float32))
    right, right_bytes = binary_tensor("right", "INT64", np.array([3]))
    want = post(oip, "pair", {"inputs": PAIR}).json
    for parts in ([(left, left_bytes), (PAIR[1], b"")], [(right, right_bytes), (left, left_bytes)]):
        assert post(oip, "pair", binary_body(*parts)).json == want


def test_harmless_parameters(oip: Site) -> None:
    """What clients always send, and parameters of a caller's own, change nothing."""
    parameters = {"sequence_id": 0, "sequence_start": False, "sequence_end": False, "priority": 0}
    parameters |= {"timeout": 60_000_000, "mine": "x", "rate": 0.5}
    answer = post(oip, "sum", {"inputs": [X], "parameters": parameters})
    assert answer.json == post(oip, "sum", {"inputs": [X]}).json


def test_repeated_names(oip: Site) -> None:
    """KServe's client repeats the model's name in the body; the path decides."""
    named = {"model_name": "x", "model_version": "1", "inputs": [X]}
    assert post(oip, "sum", named).json == post(oip, "sum", {"inputs": [X]}).json


def test_optional_input(oip: Site) -> None:
    """An initialiser that is an input may be given or left out, for one request at a time."""
    x = tensor("x", "FP32", np.array([[1, 2], [3, 4]], np.float32))
    factor = tensor("factor", "FP32", np.array(10, np.float32))
    assert outputs_of(post(oip, "scaled", {"inputs": [x]}))["y"].tolist() == [[2, 4], [6, 8]]
    given = post(oip, "scaled", {"inputs": [factor, x]})
    assert outputs_of(given)["y"].tolist() == [[10, 20], [30, 40]]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_body(oip: Site, encoding: str) -> None:
    """A body may be compressed; Inference-Header-Content-Length counts the bytes before that."""
    body = binary_body(binary_tensor("x", "FP32", ROWS), id="x" * 500)
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    packed = Body(compress(body.content), {**body.headers, "Content-Encoding": encoding})
    assert len(packed.content) < int(body.headers[HEADER_LENGTH])
    assert post(oip, "sum", packed).json == post(oip, "sum", body).json


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_body_is_bounded(oip: Site, encoding: str) -> None:
    """A small body that inflates beyond the limit of bodies is refused."""
    compress = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = Body(compress(b" " * (MAX_BODY_BYTES + 1)), {"Content-Encoding": encoding})
    answer = post(oip, "sum", bomb)
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_text_model(oip: Site) -> None:
    """A model of texts takes them as strings in JSON, and cleans them as the task API does."""
    texts = np.array(["<b>Closure</b> or PROMISE?", "array"], np.object_)
    in_json = {"inputs": [tensor("question", "BYTES", texts)]}
    found = outputs_of(post(oip, "faq", in_json))["probabilities"]
    assert found.argmax(axis=1).tolist() == [1, 0]
    binary = binary_body(binary_tensor("question", "BYTES", texts))
    np.testing.assert_array_equal(outputs_of(post(oip, "faq", binary))["probabilities"], found)


PNG = save(picture(), "PNG")
FILES = np.array([PNG, save(picture().rotate(180), "PNG")], np.object_)


def test_encoded_images(oip: Site) -> None:
    """BYTES [N] on the input of an image model are whole files, decoded as the task API does."""
    body = binary_body(binary_tensor("image", "BYTES", FILES))
    scores = outputs_of(post(oip, "corners", body))["probabilities"]
    assert scores.argmax(axis=1).tolist() == [BEST, CLASSES.index("red bottom right")]
    data = [to_base64(file) for file in FILES]
    in_json = {"name": "image", "datatype": "BYTES", "shape": [2], "data": data}
    again = outputs_of(post(oip, "corners", {"inputs": [in_json]}))["probabilities"]
    np.testing.assert_array_equal(again, scores)


def test_pixels(oip: Site) -> None:
    """An image model takes pixels as well, for clients that decode themselves."""
    pixels = np.asarray(picture().resize((SIDE, SIDE)))[None]
    body = binary_body(binary_tensor("image", "UINT8", pixels))
    assert outputs_of(post(oip, "corners", body))["probabilities"].argmax() == BEST


def test_raw_number_body(oip: Site) -> None:
    """A body without JSON is one row of the only input, and all outputs come binary."""
    answer = post(oip, "sum", Body(ROWS[0].tobytes(), {HEADER_LENGTH: "0"}))
    assert answer.content_type == "application/octet-stream"
    assert outputs_of(answer)["y"].tolist() == [[6]]


def test_raw_body_of_a_model_without_rows(oip: Site) -> None:
    """Where the model does not count rows, such a body is the whole tensor."""
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    answer = post(oip, "fixed", Body(array.tobytes(), {HEADER_LENGTH: "0"}))
    np.testing.assert_array_equal(outputs_of(answer)["y"], array)


def test_raw_text_body(oip: Site) -> None:
    """A text without JSON is the body as it is, without a length before it."""
    answer = post(oip, "faq", Body(b"what is a closure", {HEADER_LENGTH: "0"}))
    assert outputs_of(answer)["probabilities"].argmax() == 1


def test_raw_image_body(oip: Site) -> None:
    """An image without JSON is the body as it is."""
    answer = post(oip, "corners", Body(PNG, {HEADER_LENGTH: "0"}))
    assert outputs_of(answer)["probabilities"].argmax() == BEST


def test_raw_body_deduces_one_size(oip: Site) -> None:
    """An optional second input does not stop a body without JSON."""
    answer = post(oip, "scaled", Body(np.array([1, 2], "<f4").tobytes(), {HEADER_LENGTH: "0"}))
    assert outputs_of(answer)["y"].tolist() == [[2, 4]]


def classified(site: Site, model: str, count: Any, array: np.ndarray, name: str = "y") -> Any:
    """The answer to a request for the best classes."""
    wanted = [{"name": name, "parameters": {"classification": count}}]
    inputs = [tensor("x", "FP32", array)]
    return post(site, model, {"inputs": inputs, "outputs": wanted})


def test_classification(oip: Site) -> None:
    """The best classes of each row come as "value:index:label", the best first."""
    rows = np.array([[0.25, 0.5, 0.125], [3, -1, 2]], np.float32)
    (output,) = classified(oip, "scores", 2, rows).json["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [2, 2])
    assert output["data"] == ["0.5:1:middle", "0.25:0:low", "3.0:0:low", "2.0:2:high"]


def test_classification_without_labels(oip: Site) -> None:
    """Without labels the texts end with the index; more classes than there are mean all."""
    (output,) = classified(oip, "echo-fp32", 9, np.array([[1, 2]], np.float32)).json["outputs"]
    assert (output["shape"], output["data"]) == ([1, 2], ["2.0:1", "1.0:0"])


def test_classification_of_images(oip: Site) -> None:
    """An image model names its classes; binary texts have their lengths before them."""
    wanted = [{"name": "probabilities", "parameters": {"classification": 1, "binary_data": True}}]
    body = binary_body(binary_tensor("image", "BYTES", FILES), outputs=wanted)
    found = outputs_of(post(oip, "corners", body))["probabilities"]
    assert found.shape == (2, 1)
    assert found[0, 0].split(":")[1:] == [str(BEST), "red top left, spot"]


def test_not_a_number_needs_binary(oip: Site) -> None:
    """JSON has no NaN or infinity: the answer says so instead of null; bytes carry them."""
    array = np.array([[np.nan, np.inf]], np.float32)
    answer = post(oip, "echo-fp32", binary_body(binary_tensor("x", "FP32", array)))
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert "binary_data" in answer.json["error"]
    body = binary_body(binary_tensor("x", "FP32", array), **BINARY_OUT)
    np.testing.assert_array_equal(outputs_of(post(oip, "echo-fp32", body))["y"], array)


def test_half_floats_need_binary_answers(oip: Site) -> None:
    """FP16 has no form in JSON, as in the protocol: the answer says how to ask."""
    answer = post(oip, "echo-fp16", binary_body(binary_tensor("x", "FP16", extremes("FP16"))))
    assert answer.status_code == 422
    assert answer.json["error"] == (
        "output y: FP16 cannot be written in JSON; ask for it as binary data "
        "(parameters.binary_data true)"
    )


def test_deadline(oip: Site) -> None:
    """A timeout in microseconds that has passed before the model could run is 504."""
    answer = post(oip, "sum", {"inputs": [X], "parameters": {"timeout": 1}})
    assert (answer.status_code, answer.json["code"]) == (504, "deadline_exceeded")


def test_get_is_refused(oip: Site) -> None:
    """The inference path takes POST alone."""
    answer = oip.scoring.get("/v2/models/sum/infer")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("model", ["other", "sum/versions/3", "sum/versions/x"])
def test_unknown_models(oip: Site, model: str) -> None:
    """A model or version that is not served is 404."""
    answer = post(oip, model, {"inputs": [X]})
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_error_shape(oip: Site) -> None:
    """An error begins with `error`, which is what official clients show, and has no `outputs`."""
    answer = post(oip, "other", {"inputs": [X]})
    assert list(answer.json) == ["error", "code", "request_id"]
    assert answer.json["error"].startswith("Request for unknown model 'other'")
