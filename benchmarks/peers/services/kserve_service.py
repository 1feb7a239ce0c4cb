"""KServe's Python server: V1 for texts and images, V2 for tensors; it cannot batch by itself."""

import base64
import os
from typing import Any

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from scenario import load, of_json


class Score(Model):
    def load(self) -> bool:
        self.model = load()
        self.ready = True
        return True

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        if isinstance(payload, InferRequest):
            array = payload.inputs[0].as_numpy()
            output = InferOutput("y", [1, 1], "FP32")
            output.set_data_from_numpy(self.model.run(array), binary_data=False)
            return InferResponse(payload.id, "sum", [output])
        rows = [
            self.model.read(base64.b64decode(value["b64"]) if "b64" in value else of_json(value))
            for value in payload["instances"]
        ]
        return {"predictions": self.model.score(rows)}


if __name__ == "__main__":
    model = Score("sum")
    model.load()
    server = ModelServer(
        http_port=int(os.environ["PEER_PORT"]), enable_grpc=False, workers=1, access_log_format=None
    )
    server.start([model])
