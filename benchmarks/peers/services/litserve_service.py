"""LitServe: one worker; PEER_BATCH rows wait 5 ms for each other."""

import base64
import os
from typing import Any

import litserve
from scenario import load, of_json

BATCH = int(os.environ.get("PEER_BATCH", "1"))


class Score(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = load()

    def decode_request(self, request) -> Any:  # noqa: ANN001 - LitServe reads the annotation
        value = base64.b64decode(request["b64"]) if "b64" in request else of_json(request)
        return self.model.read(value)

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, rows: Any) -> Any:
        return self.model.score(rows if BATCH > 1 else [rows])

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: Any) -> Any:
        return output if BATCH > 1 else output[0]


if __name__ == "__main__":
    api = Score(max_batch_size=BATCH, batch_timeout=0.005 if BATCH > 1 else 0, api_path="/score")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        generate_client_file=False,
        access_log=False,
        log_level="warning",
    )
