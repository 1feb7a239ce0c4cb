"""The published contract of the Open Inference Protocol's REST form, in our own words.

It says less than the server's own document: any error is a 4xx with an `error`, outputs may have
further fields, and nothing but the protocol itself is there, with paths with and without versions.
"""

from typing import Any

TEXT = {"type": "string"}
DATATYPES = ["BOOL", "BYTES", "FP16", "FP32", "FP64"]
DATATYPES += [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
PARAMETERS = {
    "type": "object",
    "additionalProperties": {"anyOf": [TEXT, {"type": "number"}, {"type": "boolean"}]},
}


def thing(required: str, **properties: Any) -> dict[str, Any]:
    """An object with required properties, named in one text."""
    return {"type": "object", "properties": properties, "required": required.split()}


def many(items: Any) -> dict[str, Any]:
    """A list."""
    return {"type": "array", "items": items}


SHAPE = many({"type": "integer"})
METADATA_TENSOR = thing("name datatype shape", name=TEXT, datatype={"enum": DATATYPES}, shape=SHAPE)
TENSOR = thing(
    "name shape datatype",
    name=TEXT,
    shape=SHAPE,
    datatype={"type": "string", "enum": DATATYPES},
    parameters=PARAMETERS,
    data=many({}),
)
REQUEST = thing(
    "inputs",
    id=TEXT,
    parameters=PARAMETERS,
    inputs=many({**TENSOR, "required": [*TENSOR["required"], "data"]}),
    outputs=many(thing("name", name=TEXT, parameters=PARAMETERS)),
)
ANSWER = thing(
    "model_name outputs",
    model_name=TEXT,
    model_version=TEXT,
    id=TEXT,
    parameters=PARAMETERS,
    outputs=many(TENSOR),
)
SERVER = thing("name version extensions", name=TEXT, version=TEXT, extensions=many(TEXT))
MODEL = thing(
    "name platform inputs outputs",
    name=TEXT,
    versions=many(TEXT),
    platform=TEXT,
    inputs=many(METADATA_TENSOR),
    outputs=many(METADATA_TENSOR),
)


def operation(content: Any, body: Any = None) -> dict[str, Any]:
    """An operation that answers `content`, or an error."""
    found: dict[str, Any] = {
        "responses": {
            "200": {"description": "", "content": {"application/json": {"schema": content}}},
            "4XX": {
                "description": "",
                "content": {"application/json": {"schema": thing("error", error=TEXT)}},
            },
        }
    }
    if body:
        json_body = {"application/json": {"schema": body}}
        found["requestBody"] = {"required": True, "content": json_body}
    return found


def contract() -> dict[str, Any]:
    """The document."""
    paths: dict[str, Any] = {
        "/v2": {"get": operation(SERVER)},
        "/v2/health/live": {"get": operation({})},
        "/v2/health/ready": {"get": operation({})},
    }
    named = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in ("model", "version")
    ]
    for base, parameters in (
        ("/v2/models/{model}", named[:1]),
        ("/v2/models/{model}/versions/{version}", named),
    ):
        paths[base] = {"parameters": parameters, "get": operation(MODEL)}
        paths[f"{base}/ready"] = {"parameters": parameters, "get": operation({})}
        paths[f"{base}/infer"] = {"parameters": parameters, "post": operation(ANSWER, REQUEST)}
    info = {"title": "Open Inference Protocol", "version": "2"}
    return {"openapi": "3.0.3", "info": info, "paths": paths}
