"""Bodies of our own that servers stumble over, and the ways a text can enter a request."""

import json
from collections.abc import Callable
from typing import Any

HOSTILE_JSON: dict[str, bytes] = {
    "one byte": b"\x00",
    "bytes of no encoding": bytes(range(256)),
    "UTF-16": '{"instances": ["x"]}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"instances": ["x"]}',
    "cut in a text": b'{"instances": ["x',
    "cut in an escape": b'{"instances": ["\\u00',
    "cut in UTF-8": b'{"instances": ["\xc3"]}',
    "lone surrogate": b'{"instances": ["\\ud800"]}',
    "NUL in a text": b'{"instances": ["\\u0000"]}',
    "control character": b'{"instances": ["\x01"]}',
    "NaN": b'{"instances": [NaN]}',
    "infinity": b'{"instances": [-Infinity]}',
    "1e999": b'{"instances": [1e999]}',
    "400 digits": b'{"instances": [' + b"9" * 400 + b"]}",
    "same key twice": b'{"instances": ["x"], "instances": [7]}',
    "__proto__": b'{"__proto__": {"instances": ["x"]}}',
    "comment": b'{"instances": ["x"] /* one */}',
    "single quotes": b"{'instances': ['x']}",
    "trailing comma": b'{"instances": ["x",]}',
    "two documents": b'{"instances": ["x"]}{"instances": ["x"]}',
    "1,000 levels": b'{"instances": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    "100,000 levels": b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "open levels": b'{"a":' * 20_000,
    "100,000 instances": json.dumps({"instances": [0] * 100_000}).encode(),
    "long key": json.dumps({"x" * 50_000: 1}).encode(),
    "many keys": json.dumps({str(n): n for n in range(20_000)}).encode(),
    "instances in themselves": b'{"instances": [{"instances": [{"instances": []}]}]}',
    "nulls": b'{"instances": null, "inputs": null, "input": null, "parameters": null}',
    "everything at once": json.dumps(
        {"instances": ["x"], "inputs": [], "input": "x", "id": 3}
    ).encode(),
    "negative shape": json.dumps(
        {"inputs": [{"name": "question", "shape": [-1], "datatype": "BYTES", "data": ["x"]}]}
    ).encode(),
    "huge shape": json.dumps(
        {"inputs": [{"name": "x", "shape": [2**62, 2**62], "datatype": "FP32", "data": [1]}]}
    ).encode(),
    "wrong shape": json.dumps(
        {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2]}]}
    ).encode(),
    "unknown datatype": json.dumps(
        {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP128", "data": [1, 2, 3]}]}
    ).encode(),
    "ragged rows": b'{"instances": [[1, 2, 3], [1, 2], 3, {}, "x"]}',
    "booleans for numbers": b'{"instances": [[true, false, true]]}',
    "texts for numbers": b'{"instances": [["1", "2", "3"]]}',
    "largest floats": b'{"instances": [[3.5e38, -3.5e38, 1e308]]}',
    "smallest floats": b'{"instances": [[1e-46, 5e-324, -0.0]]}',
}

TEXT_FORMS: dict[str, dict[str, Callable[[str], tuple[str, bytes]]]] = {
    "/v1/": {
        "instance": lambda text: _json({"instances": [text]}),
        "object": lambda text: _json({"instances": [{"text": text}]}),
        "base64": lambda text: _json({"instances": [{"b64": text}]}),
        "key": lambda text: _json({"instances": [{text: text}]}),
        "parameter": lambda text: _json({"instances": ["x"], "parameters": {text: text}}),
        "plain": lambda text: ("text/plain", text.encode()),
    },
    "/v2/": {
        "tensor": lambda text: _json({"id": text, "inputs": [_tensor("question", [text])]}),
        "names": lambda text: _json({"inputs": [_tensor(text, [text], text)]}),
        "outputs": lambda text: _json(
            {"inputs": [_tensor("question", ["x"])], "outputs": [{"name": text}]}
        ),
    },
    "/": {
        "historic": lambda text: _json({"input": text}),
        "historic name": lambda text: _json({"input": {text: text}}),
    },
}
"""Where a client can put a text, by the beginning of the path: content type and body of one."""


def _json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value).encode()


def _tensor(name: str, data: list[Any], datatype: str = "BYTES") -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}
