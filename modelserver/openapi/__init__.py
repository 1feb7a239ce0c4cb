"""The interface of the scoring port as an OpenAPI document, written by hand and tested.

A test compares its paths with the routes of the server, in both directions, and sends requests
made from it: every answer has to be one that stands here.
"""

from typing import Any

from modelserver import __version__
from modelserver.openapi.paths import PATHS
from modelserver.openapi.responses import RESPONSES
from modelserver.openapi.schemas import SCHEMAS

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "modelserver",
        "version": __version__,
        "description": "Scores requests with ONNX models: a task API in the form that KServe calls "
        "V1, the Open Inference Protocol V2, and the historic forms of the 2018 implementation.",
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "servers": [{"url": "/"}],
    # The empty one: a server without client keys asks for none.
    "security": [{}, {"bearer": []}, {"header": []}],
    "paths": PATHS,
    "components": {
        "schemas": SCHEMAS,
        "responses": RESPONSES,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
    },
}
"""What /openapi.json answers."""
