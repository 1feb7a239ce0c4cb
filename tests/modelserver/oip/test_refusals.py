"""Requests of the protocol that are refused: each with the status and the words that help."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.modelserver.conftest import MAX_INSTANCES, Site
from tests.modelserver.oip.tensors import HEADER_LENGTH, Body, binary_body, binary_tensor, tensor

ROW = np.array([[1, 2, 3]], np.float32)
X = tensor("x", "FP32", ROW)
BINARY_X, X_BYTES = binary_tensor("x", "FP32", ROW)
LEFT = tensor("left", "FP32", np.ones((2, 2), np.float32))
RIGHT = tensor("right", "INT64", np.array([1]))


@dataclass(frozen=True)
class Refused:
    """A request that gets an error."""

    body: Any
    message: str
    status: int = 422
    model: str = "sum"


def one(**more: Any) -> dict[str, Any]:
    """A request with the input x, changed."""
    return {"inputs": [{**X, **more}]}


def echo(datatype: str, *data: Any) -> dict[str, Any]:
    """A request for one row of an echo model."""
    shape = [1, 2]
    return {"inputs": [{"name": "x", "shape": shape, "datatype": datatype, "data": list(data)}]}


def sized(size: Any, content: bytes = X_BYTES) -> Body:
    """A binary request whose size is stated otherwise."""
    return binary_body(({**BINARY_X, "parameters": {"binary_data_size": size}}, content))


def asked(*outputs: Any) -> dict[str, Any]:
    """A request for certain outputs."""
    return {"inputs": [X], "outputs": list(outputs)}


def raw(content: bytes) -> Body:
    """A body without JSON."""
    return Body(content, {HEADER_LENGTH: "0"})


def with_parameters(**parameters: Any) -> dict[str, Any]:
    """A request with parameters."""
    return {"inputs": [X], "parameters": parameters}


BAD = {
    # The envelope
    "not JSON": Refused(b"{", "body: not valid JSON", 400),
    "not an object": Refused([X], 'expected {"inputs": […]}, got a list'),
    "no inputs": Refused({}, "inputs: expected a list, got null"),
    "empty inputs": Refused({"inputs": []}, "inputs: x is missing; the model takes x"),
    "task API": Refused({"instances": [1]}, "unknown 'instances'; expected id, parameters"),
    "id": Refused({"id": 7, "inputs": [X]}, "id: expected a text, got a number (7)"),
    "length": Refused(Body(b"{}", {HEADER_LENGTH: "x"}), "expected a number of bytes", 400),
    "no length": Refused(Body(b"{}", {HEADER_LENGTH: ""}), "expected a number of bytes", 400),
    "negative length": Refused(Body(b"{}", {HEADER_LENGTH: "-1"}), "got '-1'", 400),
    "endless length": Refused(Body(b"{}", {HEADER_LENGTH: "9" * 5000}), "number of bytes", 400),
    "length too long": Refused(
        Body(b"{}", {HEADER_LENGTH: "3"}), "expected at most the 2 bytes of the body, got 3", 400
    ),
    "length in the JSON": Refused(Body(b'{"inputs": []}', {HEADER_LENGTH: "4"}), "JSON", 400),
    # Inputs
    "input is no object": Refused({"inputs": [7]}, "inputs[0]: expected an object, got a number"),
    "field": Refused(one(dtype="x"), "inputs[0]: unknown 'dtype'; expected name, shape, datatype"),
    "no name": Refused({"inputs": [{}]}, "inputs[0].name: expected a text, got null"),
    "unknown input": Refused(one(name="z"), "inputs[0]: unknown input 'z'; the model has x"),
    "twice": Refused({"inputs": [X, X]}, "inputs[1]: the input x comes twice"),
    "missing": Refused({"inputs": [RIGHT]}, "inputs: left is missing", model="pair"),
    "datatype": Refused(one(datatype="FP64"), "input x: datatype: expected FP32, got 'FP64'"),
    "no datatype": Refused(one(datatype=None), "input x: datatype: expected FP32, got null"),
    "both": Refused(one(parameters={"binary_data_size": 12}), "either data or"),
    "neither": Refused({"inputs": [{k: X[k] for k in ("name", "shape", "datatype")}]}, "either"),
    "shared memory": Refused(
        one(parameters={"shared_memory_region": "r"}), "input x: parameters: shared memory"
    ),
    # Shapes
    "no shape": Refused(one(shape=None), "input x: shape: expected a list of whole numbers >= 0"),
    "negative size": Refused(one(shape=[-1, 3]), "expected a list of whole numbers >= 0"),
    "fraction": Refused(one(shape=[1.0, 3]), "expected a list of whole numbers >= 0"),
    "boolean size": Refused(one(shape=[True, 3]), "expected a list of whole numbers >= 0"),
    "columns": Refused(one(shape=[1, 4]), "input x: shape: expected [-1, 3], got [1, 4]"),
    "axes": Refused(one(shape=[3]), "input x: shape: expected [-1, 3], got [3]"),
    "very many axes": Refused(one(shape=[1] * 9000), "input x: shape: expected [-1, 3], got [1, 1"),
    "no rows": Refused(one(shape=[0, 3], data=[]), "inputs: expected at least one row"),
    "overflow": Refused(one(shape=[2**62, 3]), f"takes {3 * 2**62} elements, got 3"),
    "empty but wide": Refused(
        {"inputs": [{**LEFT, "shape": [0, 2**60], "data": []}, RIGHT]}, "is too large", 413, "pair"
    ),
    "rows": Refused(
        {"inputs": [tensor("x", "FP32", np.ones((MAX_INSTANCES + 1, 3), np.float32))]},
        f"inputs: expected at most {MAX_INSTANCES} rows, got {MAX_INSTANCES + 1}",
        413,
    ),
    "unequal rows": Refused(
        {"inputs": [LEFT, RIGHT]},
        "equally many rows in each, got {'left': 2, 'right': 1}",
        422,
        "pair",
    ),
    # JSON data
    "data": Refused(one(data=7), "input x: data: expected a list"),
    "few elements": Refused(one(data=[1, 2]), "the shape [1, 3] takes 3 elements, got 2"),
    "other nesting": Refused(one(data=[[1], [2], [3]]), "nested as [3, 1], but shape is [1, 3]"),
    "ragged": Refused(one(data=[[1, 2], [3]]), "lists of different lengths"),
    "text": Refused(one(data=[1, "2", 3]), "input x: expected FP32, so numbers, got a text ('2')"),
    "null": Refused(one(data=[1, None, 3]), "got null"),
    "boolean": Refused(one(data=[1, True, 3]), "got a boolean (True)"),
    "large": Refused(one(data=[1, 1e39, 3]), "a number is out of range for FP32"),
    "half floats": Refused(
        echo("FP16", 1, 2), "FP16 cannot be written in JSON; send it as binary", model="echo-fp16"
    ),
    "number as text": Refused(echo("BYTES", 1, "a"), "so texts, got a number", model="echo-bytes"),
    "number as truth": Refused(echo("BOOL", 1, True), "so true or false", model="echo-bool"),
    # Binary data
    "short body": Refused(
        sized(12, X_BYTES[:-1]), "at most the 11 bytes that are left of the body"
    ),
    "bytes left": Refused(sized(12, X_BYTES + b"!"), "body: 1 bytes are left after the inputs"),
    "other size": Refused(sized(11), "the shape [1, 3] of FP32 takes 12 bytes, got 11"),
    "size": Refused(sized("12"), "binary_data_size: expected a whole number >= 0"),
    "negative bytes": Refused(sized(-12), "binary_data_size: expected a whole number >= 0"),
    "bool": Refused(
        binary_body(binary_tensor("x", "BOOL", np.array([[1, 2]], np.uint8))),
        "a BOOL is a byte 0 or 1",
        model="echo-bool",
    ),
    "not UTF-8": Refused(
        binary_body(binary_tensor("x", "BYTES", np.array([[b"a", b"\xff"]], np.object_))),
        "input x: element 1 is not UTF-8",
        model="echo-bytes",
    ),
    "endless text": Refused(
        binary_body(
            (
                {
                    "name": "x",
                    "datatype": "BYTES",
                    "shape": [1, 2],
                    "parameters": {"binary_data_size": 8},
                },
                b"\xff\xff\xff\xffabcd",
            )
        ),
        "expected 2 elements, each its length and its bytes; 0 are whole, 8 bytes are left",
        model="echo-bytes",
    ),
    # Outputs and parameters
    "outputs": Refused({"inputs": [X], "outputs": 7}, "outputs: expected a list, got a number"),
    "output is no object": Refused(asked("y"), "outputs[0]: expected an object, got a text ('y')"),
    "unknown output": Refused(asked({"name": "z"}), "unknown output 'z'; the model has y"),
    "output field": Refused(asked({"name": "y", "data": []}), "outputs[0]: unknown 'data'"),
    "output twice": Refused(asked({"name": "y"}, {"name": "y"}), "the output y comes twice"),
    "no classes": Refused(
        asked({"name": "y", "parameters": {"classification": 0}}),
        "output y: parameters.classification: expected a whole number >= 1",
    ),
    "classes of texts": Refused(
        {
            **echo("BYTES", "a", "b"),
            "outputs": [{"name": "y", "parameters": {"classification": 1}}],
        },
        "texts cannot be ranked",
        model="echo-bytes",
    ),
    "flag": Refused(with_parameters(binary_data_output=1), "expected true or false, got a number"),
    "timeout": Refused(with_parameters(timeout=0.5), "timeout: expected a whole number >= 0"),
    "priority": Refused(with_parameters(priority="high"), "priority: expected a whole number"),
    "sequence": Refused(with_parameters(sequence_id=7), "sequences are not offered"),
    "reserved": Refused(with_parameters(triton_x=1), "'triton_x' is reserved by the protocol"),
    "parameters": Refused({"inputs": [X], "parameters": []}, "parameters: expected an object"),
    "parameter": Refused(with_parameters(a=[1]), "'a': expected a text, a number or a boolean"),
    # Bodies without JSON
    "raw size": Refused(raw(X_BYTES[:-1]), "the shape [1, 3] of FP32 takes 12 bytes, got 11"),
    "raw, two inputs": Refused(raw(X_BYTES), "this one takes left, right", model="pair"),
    "raw, several texts": Refused(raw(b"a"), "is one text, but the shape is", model="echo-bytes"),
    "raw, no image": Refused(raw(b"GIF"), "input image[0]: ", 400, "corners"),
    # Images
    "no image": Refused(
        binary_body(binary_tensor("image", "BYTES", np.array([b"abc"], np.object_))),
        "input image[0]: ",
        400,
        "corners",
    ),
    "not base64": Refused(
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["%"]}]},
        "input image[0]: ",
        400,
        "corners",
    ),
    "table of images": Refused(
        {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1, 1], "data": ["x"]}]},
        "input image: shape: expected [-1], got [1, 1]",
        422,
        "corners",
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in BAD.items()])
def test_refused(oip: Site, case: Refused) -> None:
    """A wrong request gets the status that says whose fault it is, and words that say where."""
    body, headers = case.body, {}
    if isinstance(body, Body):
        body, headers = body.content, dict(body.headers)
    answer = oip.post(f"/v2/models/{case.model}/infer", body, headers=headers)
    assert answer.status_code == case.status, answer.data
    assert case.message in answer.json["error"]
    assert len(answer.json["error"]) < 400


@pytest.mark.parametrize(
    ("datatype", "number"),
    [
        *(("UINT8", n) for n in (-1, 256)),
        *(("INT8", n) for n in (-129, 128)),
        *(("UINT16", n) for n in (-1, 2**16)),
        *(("INT16", n) for n in (-(2**15) - 1, 2**15)),
        *(("UINT32", n) for n in (-1, 2**32)),
        *(("INT32", n) for n in (-(2**31) - 1, 2**31)),
        *(("INT64", n) for n in (2**63,)),
        *(("UINT64", n) for n in (-1,)),
    ],
)
def test_whole_numbers_are_never_wrapped(oip: Site, datatype: str, number: int) -> None:
    """A whole number beyond its datatype is refused, not cut to fit as other servers do."""
    answer = oip.post(f"/v2/models/echo-{datatype.lower()}/infer", echo(datatype, 0, number))
    assert answer.status_code == 422
    assert answer.json["error"] == f"input x: {number} is out of range for {datatype}"


@pytest.mark.parametrize("datatype", ["INT64", "UINT64", "INT8"])
@pytest.mark.parametrize("number", ["1.0", "1e2", "18446744073709551616", "-9223372036854775809"])
def test_no_fraction_is_a_whole_number(oip: Site, datatype: str, number: str) -> None:
    """Numbers that JSON readers turn into fractions are no whole numbers."""
    body = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"%s","data":[0,%s]}]}'
    answer = oip.post(
        f"/v2/models/echo-{datatype.lower()}/infer", body % (datatype.encode(), number.encode())
    )
    assert answer.status_code == 422
    assert "whole numbers, got a number" in answer.json["error"]
