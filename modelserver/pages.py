"""What the Flask applications share: JSON answers, errors in the one shape, a record of each."""

import time
from typing import Any

import werkzeug.exceptions
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from modelserver import traceparent
from modelserver.access import Access
from modelserver.auth.guard import Guard
from modelserver.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestError,
    ServingError,
)
from modelserver.jsontext import encode_json, quote
from modelserver.replies import REQUEST_ID, Reply, refusal, request_id

_STARTED, _CODE, _CLIENT = "modelserver.started", "modelserver.code", "modelserver.client"


def json_page(value: Any, status: int = 200) -> Response:
    """Answer a value."""
    return Response(encode_json(value), status, content_type="application/json")


def text_page(text: str) -> Response:
    """Answer a text."""
    return Response(text, content_type="text/plain; charset=utf-8")


def answer_errors_in_json(app: Flask, access: Access, advice: str = "") -> None:
    """Give every error the one shape that the scoring routes use.

    Args:
        app: the application.
        access: records faults.
        advice: what to add for whoever asks a wrong path, or a right one in a wrong way.
    """

    def to_response(reply: Reply) -> Response:
        request.environ[_CODE] = reply.code
        return Response(reply.body, reply.status, reply.header_list(_identity()))

    @app.errorhandler(ServingError)
    def refuse(error: ServingError) -> Response:
        return to_response(refusal(error, _identity()))

    @app.errorhandler(HTTPException)
    def translate(error: HTTPException) -> Response:
        return to_response(refusal(_as_ours(error, advice), _identity()))

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response:
        access.failed(_identity(), error)
        return to_response(refusal(InternalError("internal error"), _identity()))


def _as_ours(error: HTTPException, advice: str) -> ServingError:
    """Say what Flask found wrong with a path or method in our own terms."""
    if isinstance(error, werkzeug.exceptions.NotFound):
        return NotFound(f"there is no path {quote(request.path)}{advice}")
    if isinstance(error, werkzeug.exceptions.MethodNotAllowed):
        allowed = tuple(sorted(error.valid_methods or ()))
        wanted = ", ".join(allowed)
        said = f"this path takes {wanted}, got {request.method[:16]}{advice}"
        return MethodNotAllowed(said, allowed)
    return RequestError(f"{error.name}: {error.description}")


def _identity() -> str:
    """The id of the request, made here when the scoring middleware has not done so."""
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    identity: str = request.environ.setdefault(REQUEST_ID, request_id(given))
    return identity


def record_answers(app: Flask, access: Access) -> None:
    """Record every answer of an application."""

    @app.before_request
    def start() -> None:
        request.environ[_STARTED] = time.perf_counter()

    @app.after_request
    def record(response: Response) -> Response:
        response.headers["X-Request-Id"] = _identity()
        given = traceparent.read(request.headers.get(traceparent.HEADER))
        if given:
            response.headers[traceparent.HEADER] = given
        access.answered(
            request_id=_identity(),
            route=request.url_rule.rule if request.url_rule else "unmatched",
            method=request.method,
            status=response.status_code,
            code=request.environ.get(_CODE, ""),
            client=request.environ.get(_CLIENT, ""),
            traceparent=given,
            bytes_in=request.content_length or 0,
            bytes_out=response.content_length or 0,
            seconds=time.perf_counter() - request.environ[_STARTED],
        )
        return response


def guard_pages(app: Flask, guard: Guard) -> None:
    """Let only those in whom the guard lets in."""

    @app.before_request
    def enter() -> None:
        headers = request.headers
        client = guard.identify(
            request.path, headers.get("Authorization"), headers.get("X-API-Key")
        )
        guard.enter(client)
        request.environ[_CLIENT] = client

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        guard.leave(request.environ.get(_CLIENT, ""))
