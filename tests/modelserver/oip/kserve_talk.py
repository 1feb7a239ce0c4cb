"""What KServe's official REST client finds at a server; run in an environment that has `kserve`.

python kserve_talk.py URL      prints one JSON object
"""

import asyncio
import json
import sys

import numpy as np
from kserve import (
    InferenceRESTClient,
    InferInput,
    InferOutput,
    InferRequest,
    RESTConfig,
)
from kserve.protocol.infer_type import RequestedOutput

ROWS = np.array([[1, 2, 3], [0.5, 0.25, 0.125]], np.float32)


def request(binary_in: bool, binary_out: bool, model: str = "sum") -> InferRequest:
    """Ask for the sums of two rows."""
    entry = InferInput("x", [2, 3], "FP32")
    entry.set_data_from_numpy(ROWS, binary_data=binary_in)
    output = RequestedOutput("y", {"binary_data": binary_out})
    return InferRequest(model, [entry], request_id="seven", request_outputs=[output])


def values(outputs: list[InferOutput]) -> list[object]:
    """The first output as lists."""
    return outputs[0].as_numpy().tolist()


async def talk_v2(url: str) -> dict[str, object]:
    """The Open Inference Protocol."""
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
        found: dict[str, object] = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model_ready": await client.is_model_ready(url, "sum"),
            "other_ready": await client.is_model_ready(url, "other"),
        }
        for binary_in in (True, False):
            for binary_out in (True, False):
                asked = request(binary_in, binary_out)
                answer = await client.infer(url, asked, model_name="sum")
                name = f"in {binary_in}, out {binary_out}"
                found[name] = [answer.id, answer.model_name, values(answer.outputs)]
        texts = InferInput("question", [1], "BYTES")
        texts.set_data_from_numpy(np.array(["a closure"], np.object_), binary_data=True)
        answer = await client.infer(url, InferRequest("faq", [texts], request_id="t"), "faq")
        found["text"] = int(np.argmax(values(answer.outputs)))
        try:
            await client.infer(url, request(True, True, "other"), model_name="other")
        except Exception as error:
            found["error"] = f"{type(error).__name__}: {error}"
        return found


async def talk_v1(url: str) -> dict[str, object]:
    """KServe's first protocol, which is the form of our task API."""
    async with InferenceRESTClient(RESTConfig(protocol="v1", timeout=30)) as client:
        answer = await client.infer(url, {"instances": ROWS.tolist()}, model_name="sum")
        return {
            "model_ready": await client.is_model_ready(url, "sum"),
            "predictions": answer["predictions"],
        }


async def main(url: str) -> None:
    """Write what both protocols find."""
    sys.stdout.write(json.dumps({"v2": await talk_v2(url), "v1": await talk_v1(url)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
