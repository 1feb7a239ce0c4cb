"""Calls a WSGI application for the asyncio front and takes its whole answer."""

import io
import logging
import sys
from collections.abc import Callable
from typing import Any

from modelserver.http.request_reader import Request
from modelserver.http.response import Response
from modelserver.wsgi import Wsgi, wsgi_name

_log = logging.getLogger(__name__)

_SERVER: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


def call_application(app: Wsgi, request: Request, host: str, port: int) -> Response:
    """Answer one request; blocks as long as the application takes.

    Args:
        app: the application.
        request: the request.
        host: the address listened on, for applications that build links.
        port: the port listened on.
    """
    try:
        return _call(app, _to_environ(request, host, port))
    except Exception:
        _log.exception("the application raised")
        return Response.refusing(500, "the application failed")


def _to_environ(request: Request, host: str, port: int) -> dict[str, Any]:
    """A request as WSGI wants it."""
    environ = {
        **_SERVER,
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "wsgi.input": io.BytesIO(request.body),
    }
    for name, value in request.headers.items():
        environ[wsgi_name(name)] = value
    return environ


def _call(app: Wsgi, environ: dict[str, Any]) -> Response:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        started[:] = [(status, headers)]
        return written.append

    parts = app(environ, start_response)
    try:
        written.extend(parts)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    status, headers = started[0]
    body = b"".join(written)
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers = [*headers, ("Content-Length", str(len(body)))]
    return Response(status, headers, body)
