"""FastAPI and ONNX Runtime by hand. Run by uvicorn with uvloop and httptools."""

import os

import orjson
from fastapi import FastAPI, Request, Response
from scenario import load, of_json

app = FastAPI()
model = load()
is_image = os.environ["PEER_SCENARIO"] == "image"


def answer(body: bytes) -> Response:
    value = body if is_image else of_json(orjson.loads(body))
    (found,) = model.score([model.read(value)])
    return Response(orjson.dumps(found), media_type="application/json")


if is_image:
    # Milliseconds of work: in a thread, so that the loop goes on.
    from starlette.concurrency import run_in_threadpool

    @app.post("/score")
    async def score(request: Request) -> Response:
        return await run_in_threadpool(answer, await request.body())

else:

    @app.post("/score")
    async def score(request: Request) -> Response:
        return answer(await request.body())
