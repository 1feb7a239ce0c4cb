"""The floor: Waitress alone, which answers a constant."""

import os

from waitress import serve

BODY = b'{"answer":"yes"}'


def app(environ: dict, start_response: object) -> list[bytes]:
    environ["wsgi.input"].read()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    return [BODY]


serve(app, host="127.0.0.1", port=int(os.environ["PEER_PORT"]), threads=4, asyncore_use_poll=True)
