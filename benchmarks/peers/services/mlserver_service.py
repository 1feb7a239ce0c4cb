"""A runtime for MLServer: texts and base64 images as BYTES, tensors as they are, over V2."""

import base64
import json
import os

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from scenario import load


class Score(MLModel):
    async def load(self) -> bool:
        self.model = load()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        entry = payload.inputs[0]
        if os.environ["PEER_SCENARIO"] == "tensor":
            array = NumpyCodec.decode_input(entry).astype(np.float32)
            output = NumpyCodec.encode_output("y", self.model.run(array))
        else:
            values = StringCodec.decode_input(entry)
            if os.environ["PEER_SCENARIO"] == "image":
                values = [base64.b64decode(value) for value in values]
            answers = self.model.score([self.model.read(value) for value in values])
            output = StringCodec.encode_output("y", [json.dumps(one) for one in answers])
        return InferenceResponse(model_name=self.name, outputs=[output])
