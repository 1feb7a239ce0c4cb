"""Every path of the scoring port."""

from typing import Any

from modelserver.openapi.responses import OF_PAGES, OF_SCORING, answer, errors
from modelserver.openapi.schemas import TEXT, schema

Operation = dict[str, Any]

_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_ANY_KEY = (401, 403, 429, 500)

_IN_PATH = {
    name: {"name": name, "in": "path", "required": True, "schema": {"type": "string", **rule}}
    for name, rule in (
        ("model", {"pattern": "^[a-z0-9][a-z0-9._-]{0,62}$"}),
        ("version", {"pattern": "^[1-9][0-9]{0,9}$"}),
    )
}
_TIMEOUT = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "Seconds that the caller waits.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
_HEADER_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "Bytes of the JSON, which raw tensors follow; 0: there is no JSON.",
    "schema": {"type": "integer", "minimum": 0},
}


def _get(summary: str, content: Any, statuses: tuple[int, ...] = _ANY_KEY) -> Operation:
    """A page in JSON."""
    return {"summary": summary, "responses": {**answer("As asked.", content), **errors(statuses)}}


def _post(summary: str, bodies: dict[str, Any], found: dict[str, Any], *header: Any) -> Operation:
    """A scoring path."""
    return {
        "summary": summary,
        "parameters": [_TIMEOUT, *header],
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": content} for kind, content in bodies.items()},
        },
        "responses": {**found, **errors(OF_SCORING)},
    }


def _file(summary: str, kind: str) -> Operation:
    """A page that needs no key."""
    return {"summary": summary, "security": [{}], "responses": answer("A file.", TEXT, kind)}


def _health(summary: str, content: Any) -> Operation:
    """Health, which needs no key; not ready is 503 in the form of ready."""
    not_ready = {"description": "Not so.", "content": {"application/json": {"schema": content}}}
    return {
        "summary": summary,
        "security": [{}],
        "responses": {**answer("It is.", content), "503": not_ready},
    }


def _of_model(path: str, end: str, method: str, operation: Operation) -> dict[str, Any]:
    """A path of a model's newest version, and the same path of a certain one."""
    model, version = _IN_PATH["model"], _IN_PATH["version"]
    return {
        f"{path}{{model}}{end}": {"parameters": [model], method: operation},
        f"{path}{{model}}/versions/{{version}}{end}": {
            "parameters": [model, version],
            method: operation,
        },
    }


def _example(summary: str) -> Operation:
    """The golden request, in the content type that it has."""
    found = {"description": "Its bytes.", "content": {"*/*": {"schema": {}}}}
    return {"summary": summary, "responses": {"200": found, **errors(OF_PAGES)}}


def _model_ready() -> Operation:
    operation = _get("Whether a model may be asked", schema("ModelReady"), OF_PAGES)
    content = {"anyOf": [schema("ModelReady"), schema("Error")]}
    not_ready = {"description": "It may not.", "content": {"application/json": {"schema": content}}}
    return {**operation, "responses": {**operation["responses"], "503": not_ready}}


_PREDICT = _post(
    "Score instances",
    {
        "application/json": schema("PredictRequest"),
        "text/plain": TEXT,
        "image/jpeg": _BINARY,
        "image/png": _BINARY,
        "image/webp": _BINARY,
        "multipart/form-data": {"type": "object", "properties": {"file": _BINARY}},
    },
    answer("A prediction for each instance, in order.", schema("PredictAnswer")),
)
_INFER_ANSWER = {
    "200": {
        "description": "The outputs.",
        "content": {
            "application/json": {"schema": schema("InferAnswer")},
            "application/octet-stream": {"schema": _BINARY},
        },
        "headers": {
            "Inference-Header-Content-Length": {
                "description": "Bytes of the JSON, where binary outputs follow it.",
                "schema": {"type": "integer"},
            }
        },
    }
}
_INFER = _post(
    "Infer",
    {"application/json": schema("InferRequest"), "application/octet-stream": _BINARY},
    _INFER_ANSWER,
    _HEADER_LENGTH,
)
_SCORE_BODIES = {
    "application/json": schema("ScoreRequest"),
    "multipart/form-data": {"type": "object", "additionalProperties": _BINARY},
}

PATHS: dict[str, Any] = {
    # ---- The task API
    "/v1/models": {"get": _get("The names of all models", schema("Names"), (*_ANY_KEY, 503))},
    **_of_model("/v1/models/", "", "get", _get("A model", schema("Model"), OF_PAGES)),
    **_of_model("/v1/models/", "/example/request", "get", _example("Its golden request")),
    **_of_model(
        "/v1/models/",
        "/example/response",
        "get",
        _get("The answer to it", schema("Predictions"), OF_PAGES),
    ),
    **_of_model("/v1/models/", ":predict", "post", _PREDICT),
    # ---- The Open Inference Protocol
    "/v2": {"get": _get("The server", schema("ServerMetadata"))},
    "/v2/health/live": {"get": _health("Whether the server is alive", schema("Live"))},
    "/v2/health/ready": {"get": _health("Whether it may be asked", schema("Ready"))},
    "/v2/models": {"get": _get("The names of all models", schema("Names"), (*_ANY_KEY, 503))},
    "/v2/models/stats": {"get": _get("What all have done", schema("ModelStatistics"))},
    **_of_model("/v2/models/", "", "get", _get("A model", schema("ModelMetadata"), OF_PAGES)),
    **_of_model("/v2/models/", "/ready", "get", _model_ready()),
    **_of_model(
        "/v2/models/",
        "/config",
        "get",
        _get("A model as Triton configures it", schema("ModelConfiguration"), OF_PAGES),
    ),
    **_of_model(
        "/v2/models/",
        "/stats",
        "get",
        _get("What a model has done", schema("ModelStatistics"), OF_PAGES),
    ),
    **_of_model("/v2/models/", "/infer", "post", _INFER),
    # ---- The historic forms
    "/score": {"post": _post("Score, as in 2018", _SCORE_BODIES, answer("Scores.", {}))},
    "/api/v1/service/{model}/score": {
        "parameters": [_IN_PATH["model"]],
        "post": _post("Score, as in 2018", _SCORE_BODIES, answer("Scores.", {})),
    },
    "/version": {"get": _file("The version of the library that runs models", "text/plain")},
    # ---- Pages for people
    "/": {
        "get": {
            **_file("The demo to a browser, else the word Healthy", "text/plain"),
            "responses": {
                "200": {
                    "description": "A page, or a word.",
                    "content": {"text/html": {"schema": TEXT}, "text/plain": {"schema": TEXT}},
                }
            },
        }
    },
    "/docs": {"get": _file("Documentation", "text/html")},
    "/openapi.json": {
        "get": {
            "summary": "This document",
            "security": [{}],
            "responses": answer("An OpenAPI document.", {"type": "object"}),
        }
    },
    "/assets/{name}": {
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {
                    "type": "string",
                    "enum": ["common.js", "demo.js", "docs.js", "icon.svg", "style.css"],
                },
            }
        ],
        "get": _file("What the pages need", "*/*"),
    },
}
"""Path to operations."""
