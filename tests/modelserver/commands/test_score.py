"""`python -m modelserver score`: proves that a running server answers as recorded."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelserver.__main__ import main
from tests.conftest import RunningServer, publish_linear


class Server(ThreadingHTTPServer):
    """Answers each POST with the next of `answers`; keeps the headers that it got."""

    def __init__(self, answers: list[tuple[int, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.headers.append(dict(self.headers))
        self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.server.answers.pop(0)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def answering() -> Iterator[Callable[..., Server]]:
    """Start servers with prepared answers."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(*answers: tuple[int, Any]) -> Server:
        server = Server(list(answers))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def score(artefact: Path, url: str, *more: str) -> int:
    """Run the command without waiting for a server that is not there."""
    models = str(artefact.parent.parent)
    arguments = ["--models", models, "--name", "sum", "--url", url, "--wait-seconds", "0"]
    return main(["score", *arguments, *more])


def test_real_server(
    linear_artefact: Path,
    serve: Callable[..., RunningServer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A server with the model answers as recorded; every version is asked."""
    publish_linear(linear_artefact.parent.parent, version=2)
    server = serve(linear_artefact.parent.parent)
    assert score(linear_artefact, server.url) == 0
    assert capsys.readouterr().out == (
        "GOOD  sum version 1: as recorded; largest deviation 0\n"
        "GOOD  sum version 2: as recorded; largest deviation 0\n"
    )
    assert score(linear_artefact, server.url, "--expect-refusal") == 1
    assert "expected status 401 without a key, got 200" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {"predictions": [[6.0], [0.9]]}), "predictions[1][0]: expected 0.875, got 0.9"),
        ((200, {"predictions": [[6.0]]}), "expected [[6.0], [0.875]], got [[6.0]]"),
        ((200, {"outputs": []}), "the answer is not the recorded one: 'predictions'"),
        ((200, [1]), "the answer is not the recorded one"),
        ((200, b"<html>"), "the answer is not the recorded one"),
        ((404, {"error": "no such model"}), 'got 404: {"error": "no such model"}'),
        ((401, {"error": "no key"}), "expected status 200, got 401"),
        ((503, {"error": "loading"}), "loading"),
    ],
)
def test_wrong_answers(
    linear_artefact: Path,
    answering: Callable[..., Server],
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, Any],
    message: str,
) -> None:
    """Whatever is not the recorded answer fails, with a report of what came instead."""
    assert score(linear_artefact, answering(answer).url) == 1
    out = capsys.readouterr().out
    assert out.startswith("FAILED  ")
    assert message in out


def test_nobody_there(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a server it fails, and says where it asked."""
    assert score(linear_artefact, "http://127.0.0.1:1") == 1
    assert "/v1/models/sum/versions/1:predict: " in capsys.readouterr().out


def test_waits_until_ready(
    linear_artefact: Path, answering: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is still loading is asked again."""
    monkeypatch.setattr("modelserver.commands.score._PAUSE_SECONDS", 0)
    good = {"predictions": [[6.0], [0.875]]}
    server = answering((503, {"error": "loading"}), (503, {"error": "loading"}), (200, good))
    assert score(linear_artefact, server.url, "--wait-seconds", "60") == 0
    assert server.answers == []


def test_key(
    linear_artefact: Path, answering: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key comes from the environment, so it stands in no process list."""
    server = answering((200, {"predictions": [[6.0], [0.875]]}), (401, {"error": "no key"}))
    monkeypatch.setenv("API_KEY", "s3cret")
    assert score(linear_artefact, server.url) == 0
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    monkeypatch.delenv("API_KEY")
    assert score(linear_artefact, server.url, "--expect-refusal") == 0
    assert "Authorization" not in server.headers[1]


def test_no_such_model(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that the folder does not have is named, with those that it has."""
    models = linear_artefact.parent.parent
    arguments = ["--models", str(models), "--name", "product", "--url", "http://127.0.0.1:1"]
    assert main(["score", *arguments]) == 1
    assert "expected a model product, got sum" in capsys.readouterr().out


def test_damaged_artefact(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged artefact proves nothing, so it is refused before anything is sent."""
    with (linear_artefact / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert score(linear_artefact, "http://127.0.0.1:1") == 1
    assert "expected 115 bytes, got 116" in capsys.readouterr().out
