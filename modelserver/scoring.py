"""The hot path: a WSGI callable that answers scoring POSTs and hands everything else to Flask.

It stands in front of Flask because Flask's request machinery costs as much again as the whole
HTTP server (measured in benchmarks/). A route is answered here or there, never in both.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelserver import v1
from modelserver.access import Access
from modelserver.errors import (
    InternalError,
    LengthRequired,
    MethodNotAllowed,
    ServingError,
    TooLarge,
)
from modelserver.inflate import inflate
from modelserver.model import ServedModel
from modelserver.replies import Reply, answer, refusal, request_id
from modelserver.scorer import Scorer

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

REQUEST_ID = "modelserver.request_id"
"""Where the WSGI environment holds the request's id."""


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """One scoring POST after its model was found."""

    scorer: Scorer
    model: ServedModel
    content_type: str
    body: bytes
    max_instances: int
    environ: Mapping[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """A header of the request, or None."""
        value: str | None = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """A scoring path: a label for logs, a pattern, and what answers it.

    The pattern may have the groups `model` and `version`. `handle` returns values for JSON, or a
    whole Reply.
    """

    label: str
    pattern: re.Pattern[str]
    handle: Callable[[ScoringRequest], Any]


def _predict(request: ScoringRequest) -> Any:
    """Answer the task API."""
    model = request.model
    instances, parameters = v1.read_request(
        model.task, request.content_type, request.body, request.max_instances
    )
    return {
        "model_name": model.name,
        "model_version": str(model.version),
        "predictions": request.scorer.score(model, instances, parameters),
    }


ROUTES = (
    Route(
        "/v1/models/<name>:predict",
        re.compile(r"/v1/models/(?P<model>[^/:]*)(?:/versions/(?P<version>[^/:]*))?:predict"),
        _predict,
    ),
)


class ScoringApp:
    """WSGI middleware that answers the scoring routes.

    Args:
        fallback: the WSGI application for every other path.
        scorer: finds models and scores.
        access: records answers.
        routes: the scoring paths.
        max_body_bytes: largest request body.
        max_instances: most instances in one request.
    """

    def __init__(
        self,
        fallback: Wsgi,
        scorer: Scorer,
        access: Access,
        routes: Sequence[Route] = ROUTES,
        *,
        max_body_bytes: int,
        max_instances: int,
    ) -> None:
        self._fallback = fallback
        self._scorer = scorer
        self._access = access
        self._routes = tuple(routes)
        self._max_body_bytes = max_body_bytes
        self._max_instances = max_instances

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        environ[REQUEST_ID] = identity = request_id(environ)
        for route in self._routes:
            match = route.pattern.fullmatch(environ["PATH_INFO"])
            if match:
                break
        else:
            return self._fallback(environ, start_response)

        reply, model, length = self._answer(route, match.groupdict(), environ, identity)
        if model is not None:
            model.statistics.answered(not reply.code, time.perf_counter() - started)
        start_response(reply.status_line, reply.header_list(identity))
        self._access.answered(
            request_id=identity,
            route=route.label,
            method=environ["REQUEST_METHOD"],
            status=reply.status,
            code=reply.code,
            model=model,
            bytes_in=length,
            bytes_out=len(reply.body),
            started=started,
        )
        return [reply.body]

    def _answer(
        self, route: Route, path: dict[str, str | None], environ: dict[str, Any], identity: str
    ) -> tuple[Reply, ServedModel | None, int]:
        """Return the reply, the model that was asked if any, and the length of the body read."""
        model = None
        length = 0
        try:
            _require_post(environ)
            with self._scorer.admitted():
                model = self._scorer.find(path.get("model"), path.get("version"))
                body = self._read_body(environ)
                length = len(body)
                encoding = environ.get("HTTP_CONTENT_ENCODING")
                if encoding:
                    body = inflate(body, encoding, self._max_body_bytes)
                content_type = environ.get("CONTENT_TYPE", "")
                request = ScoringRequest(
                    self._scorer, model, content_type, body, self._max_instances, environ
                )
                result = route.handle(request)
                reply = result if isinstance(result, Reply) else answer(result)
        except ServingError as error:
            reply = refusal(error, identity)
        except Exception as error:
            self._access.failed(identity, error)
            reply = refusal(InternalError("internal error"), identity)
        return reply, model, length

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        """Read a body whose length the HTTP server has established."""
        length = environ.get("CONTENT_LENGTH")
        if not length:
            raise LengthRequired("the request needs a body with a Content-Length")
        if int(length) > self._max_body_bytes:
            raise TooLarge(f"body: expected at most {self._max_body_bytes} bytes, got {length}")
        body: bytes = environ["wsgi.input"].read()
        return body


def _require_post(environ: dict[str, Any]) -> None:
    method = environ["REQUEST_METHOD"]
    if method != "POST":
        raise MethodNotAllowed(f"this path takes POST, got {method[:16]}", ("POST",))
