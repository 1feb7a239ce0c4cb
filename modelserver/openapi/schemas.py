"""The bodies of requests and answers."""

from typing import Any

from modelserver.datatypes import DTYPES

Schema = dict[str, Any]


def schema(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(*optional: str, closed: bool = False, **required: Schema) -> Schema:
    """An object.

    Args:
        optional: those of its properties that may be missing.
        closed: whether there are no others.
        required: its properties.
    """
    found: Schema = {"type": "object", "properties": required}
    found["required"] = [name for name in required if name not in optional]
    return {**found, "additionalProperties": False} if closed else found


def _list(items: Schema, **more: int) -> Schema:
    return {"type": "array", "items": items, **more}


TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_SHAPE: Schema = _list({"type": "integer", "minimum": -1})
_DATATYPE: Schema = {"type": "string", "enum": list(DTYPES)}
_VALUES: Schema = {"description": "Values in row-major order, flat or nested as `shape` says."}
_PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}

SCHEMAS: dict[str, Schema] = {
    "Error": _object(
        closed=True,
        error={**TEXT, "description": "What was wrong, what was expected, what came."},
        code={**TEXT, "description": "Stable; one of those in docs/api.md."},
        request_id={**TEXT, "description": "Stands in the server's log."},
    ),
    # ---- The task API
    "Names": _object(closed=True, models=_list(TEXT)),
    "Tensor": _object(closed=True, name=TEXT, datatype=_DATATYPE, shape=_SHAPE),
    "Model": _object(
        name=TEXT,
        version=TEXT,
        versions=_list(TEXT),
        ready=_FLAG,
        task=TEXT,
        provider=TEXT,
        inputs=_list(schema("Tensor")),
        outputs=_list(schema("Tensor")),
    ),
    "PredictRequest": _object(
        "parameters",
        closed=True,
        instances={
            **_list({}, minItems=1),
            "description": 'Texts for a FAQ, {"b64": …} for images, rows for any other model.',
        },
        parameters={"type": "object", "description": "Those of the model's task, as `top_k`."},
    ),
    "PredictAnswer": _object(
        closed=True, model_name=TEXT, model_version=TEXT, predictions=_list({}, minItems=1)
    ),
    "Predictions": _object(predictions=_list({}, minItems=1)),
    # ---- The Open Inference Protocol
    "ServerMetadata": _object(closed=True, name=TEXT, version=TEXT, extensions=_list(TEXT)),
    "Live": _object(closed=True, live=_FLAG),
    "Ready": _object(closed=True, ready=_FLAG),
    "ModelReady": _object(closed=True, name=TEXT, ready=_FLAG),
    "ModelMetadata": _object(
        "properties",
        closed=True,
        name=TEXT,
        versions=_list(TEXT),
        platform=TEXT,
        inputs=_list(schema("Tensor")),
        outputs=_list(schema("Tensor")),
        properties={"type": "object", "additionalProperties": TEXT},
    ),
    "ModelConfiguration": _object(
        name=TEXT,
        platform=TEXT,
        backend=TEXT,
        max_batch_size=_COUNT,
        input=_list({"type": "object"}),
        output=_list({"type": "object"}),
    ),
    "Duration": _object(closed=True, count=_COUNT, ns=_COUNT),
    "ModelStatistics": _object(
        closed=True,
        model_stats=_list(
            _object(
                name=TEXT,
                version=TEXT,
                last_inference=_COUNT,
                inference_count=_COUNT,
                execution_count=_COUNT,
                inference_stats={
                    "type": "object",
                    "additionalProperties": schema("Duration"),
                },
                batch_stats=_list({"type": "object"}),
            )
        ),
    ),
    "InferInput": _object(
        "parameters",
        "data",
        closed=True,
        name=TEXT,
        shape=_list(_COUNT),
        datatype=_DATATYPE,
        parameters=_PARAMETERS,
        data=_VALUES,
    ),
    "InferRequest": _object(
        "id",
        "parameters",
        "outputs",
        "model_name",
        "model_version",
        closed=True,
        id={"type": ["string", "null"]},
        parameters=_PARAMETERS,
        inputs=_list(schema("InferInput")),
        outputs=_list(_object("parameters", closed=True, name=TEXT, parameters=_PARAMETERS)),
        model_name={"description": "Repeats the path, which decides."},
        model_version={"description": "Repeats the path, which decides."},
    ),
    "InferAnswer": _object(
        "id",
        closed=True,
        model_name=TEXT,
        model_version=TEXT,
        id=TEXT,
        outputs=_list(
            _object(
                "parameters",
                "data",
                closed=True,
                name=TEXT,
                datatype=_DATATYPE,
                shape=_list(_COUNT),
                parameters=_PARAMETERS,
                data=_list({}),
            )
        ),
    ),
    # ---- Historic
    "ScoreRequest": _object(
        "top_k",
        input={
            "description": "A text for a FAQ; for images an object of names and base64 texts.",
            "type": ["string", "object"],
        },
        top_k=_COUNT,
    ),
}
"""The components."""
