"""A file server on loopback that can be told to misbehave."""

import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Misbehaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class FileServer:
    """Serves `files` by path, with ranges; the first requests go to `misbehave`, one each."""

    files: dict[str, bytes] = field(default_factory=dict)
    misbehave: list[Misbehaviour] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def add(self, name: str, content: bytes) -> tuple[str, str]:
        """Serve a file; returns its address and SHA-256."""
        self.files[f"/{name}"] = content
        return f"{self.url}/{name}", hashlib.sha256(content).hexdigest()

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("range") for _, headers in self.requests]


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    """Send one response; underscores in header names stand for hyphens."""
    handler.send_response(status)
    headers.setdefault("Content_Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def serve_file(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Answer as a file server should."""
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not wanted:
        return answer(handler, 200, content)
    start = int(wanted[1])
    if start >= len(content):
        return answer(handler, 416)
    place = f"bytes {start}-{len(content) - 1}/{len(content)}"
    return answer(handler, 206, content[start:], Content_Range=place)


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A running file server without files."""
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            named = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append((self.path, named))
            content = state.files.get(self.path.partition("?")[0])
            if content is None:
                return answer(self, 404)
            behave = state.misbehave.pop(0) if state.misbehave else serve_file
            return behave(self, content)

        def log_message(self, *_: object) -> None:
            """Tests read what fetch says, not what the server logs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def pack(folder: Path, mode: str = "w:gz", prefix: str = "") -> bytes:
    """An archive of everything below a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=prefix + path.name)
    return buffer.getvalue()
