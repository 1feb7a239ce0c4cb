"""BentoML: one worker; with PEER_BATCH its adaptive batcher."""

import base64
import os
from typing import Any

import bentoml
from scenario import load, of_json

BATCH = int(os.environ.get("PEER_BATCH", "1"))


def read(model: Any, value: dict[str, Any]) -> Any:
    return model.read(base64.b64decode(value["b64"]) if "b64" in value else of_json(value))


@bentoml.service(workers=1, metrics={"enabled": False}, traffic={"timeout": 60})
class Score:
    def __init__(self) -> None:
        self.model = load()

    if BATCH == 1:

        @bentoml.api(route="/score")
        def score(self, body: dict[str, Any]) -> dict[str, Any]:
            return self.model.score([read(self.model, body)])[0]

    else:

        @bentoml.api(route="/score", batchable=True, max_batch_size=BATCH, max_latency_ms=1000)
        def score(self, body: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return self.model.score([read(self.model, value) for value in body])
