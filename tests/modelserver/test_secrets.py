"""Nothing that a caller sends reaches the log, the metrics or another caller's error."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelserver.auth.keys import digest
from tests.conftest import RunningServer

SECRET = "s3cr3t-pl4nted"
KEY = "msk_the-real-key"


@pytest.fixture(params=["waitress", "asyncio"])
def server(
    faq_models: Path, tmp_path: Path, serve: Callable[..., RunningServer], request: Any
) -> RunningServer:
    """A server that wants keys, with either HTTP front."""
    (tmp_path / "webshop").write_text(digest(KEY).hex())
    return serve(faq_models, "--api-keys-dir", str(tmp_path), "--http-server", request.param)


def send(server: RunningServer, method: str, path: str, body: bytes, **headers: str) -> int:
    """Send a request as it is, odd paths included."""
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


HEADERS = [
    *("Authorization", "X_API_Key", "Cookie", "User_Agent", "Referer", "Accept", "Origin"),
    *("X_Forwarded_For", "Forwarded", "X_Request_Timeout", "Content_Encoding", "Content_Type"),
    *("Inference_Header_Content_Length", "traceparent", "X_Anything"),
]
BODIES = [
    json.dumps({"instances": [SECRET]}),
    json.dumps({"instances": [{SECRET: 1}]}),
    json.dumps({SECRET: [SECRET]}),
    json.dumps({"instances": ["x"], "parameters": {SECRET: SECRET, "top_k": SECRET}}),
    json.dumps({"inputs": [{"name": SECRET, "shape": [1], "datatype": SECRET, "data": [SECRET]}]}),
    json.dumps({"input": SECRET}),
    f'{{"instances": ["{SECRET}"',
    SECRET,
]
POSTS = ["/v1/models/faq:predict", "/v2/models/faq/infer", "/score", "/api/v1/service/faq/score"]
PATHS = [
    f"/{SECRET}",
    f"/v1/models/{SECRET}:predict",
    f"/v1/models/faq/versions/{SECRET}:predict",
    f"/v2/models/{SECRET}/infer",
    f"/v1/models?token={SECRET}",
    f"/assets/{SECRET}",
]


def everything(server: RunningServer) -> Iterator[int]:
    """Plant the secret in every place there is; yields the status of each answer."""
    for name in HEADERS:
        for key in ({}, {"X_API_Key": KEY}):
            body = json.dumps({"instances": ["an honest question"]}).encode()
            headers = {"Content_Type": "application/json", **key, name: SECRET}
            yield send(server, "POST", POSTS[0], body, **headers)
    for path in POSTS:
        for body in BODIES:
            for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
                yield send(server, "POST", path, body.encode(), X_API_Key=KEY, Content_Type=kind)
    for path in PATHS:
        for method in ("GET", "POST", SECRET.upper()):
            yield send(server, method, path, b"{}", X_API_Key=KEY)


def test_planted_secrets(server: RunningServer) -> None:
    """Secrets in every header, path, query and body are in no log line and no metric."""
    statuses = list(everything(server))
    assert {200, 401, 403, 404, 422} <= set(statuses)
    assert max(statuses) < 500
    metrics = server.request("/metrics", management=True).body.decode()
    assert server.stop() == 0
    told = "".join(server.lines) + metrics
    # A method that is none is refused by the HTTP parser, before there is a request to record.
    assert sum('"event":"request"' in line for line in server.lines) >= len(statuses) - len(PATHS)
    for secret in (SECRET, SECRET.upper(), KEY, "an honest question"):
        assert secret not in told
