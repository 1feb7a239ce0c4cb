"""The scoring routes as a WSGI callable in front of Flask, one thread for each request."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from modelserver.exchange import HttpRequest
from modelserver.replies import REQUEST_ID, Reply, request_id
from modelserver.scoring import Scoring

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Names(dict[str, str]):
    """Header names to the names that WSGI gives them, made at first use."""

    def __missing__(self, header: str) -> str:
        name = self[header] = wsgi_name(header)
        return name


def wsgi_name(header: str) -> str:
    """The name that WSGI gives a header."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


_NAMES = _Names()  # of the few headers that we ask for ourselves


class _Headers:
    """The headers in a WSGI environment."""

    __slots__ = ("_environ",)

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value of a header, or the default."""
        return self._environ.get(_NAMES[name], default)


class ScoringApp:
    """WSGI middleware that answers the scoring routes.

    Args:
        fallback: the WSGI application for every other path.
        scoring: answers the scoring routes.
    """

    def __init__(self, fallback: Wsgi, scoring: Scoring) -> None:
        self._fallback = fallback
        self._scoring = scoring

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        environ[REQUEST_ID] = identity = request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        path = environ["PATH_INFO"]
        found = self._scoring.find(path)
        if found is None:
            return self._fallback(environ, start_response)
        length = environ.get("CONTENT_LENGTH")
        request = HttpRequest(
            method=environ["REQUEST_METHOD"],
            path=path,
            headers=_Headers(environ),
            length=int(length) if length else None,
            read_body=environ["wsgi.input"].read,
            id=identity,
            started=started,
            is_gone=environ.get("waitress.client_disconnected"),
        )
        outcome = self._scoring.begin(found, request)
        reply = outcome if isinstance(outcome, Reply) else outcome.wait()
        start_response(reply.status_line, reply.header_list(identity))
        return [reply.body]
