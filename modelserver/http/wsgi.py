"""Calls a WSGI application for the asyncio front and takes its whole answer."""

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

from modelserver.http.response import Response

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

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


def call_application(app: Wsgi, environ: dict[str, Any], host: str, port: int) -> Response:
    """Answer one request; blocks as long as the application takes.

    Args:
        app: the application.
        environ: what the request reader found.
        host: the address listened on, for applications that build links.
        port: the port listened on.
    """
    environ.update(_SERVER, SERVER_NAME=host, SERVER_PORT=str(port))
    try:
        return _call(app, environ)
    except Exception:
        _log.exception("the application raised")
        return Response.refusing(500, "the application failed")


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
