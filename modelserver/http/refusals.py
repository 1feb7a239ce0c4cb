"""What an HTTP front itself refuses, in the one shape of all errors."""

from http import HTTPStatus

from modelserver.replies import Reply, error_body

_CODES = {
    400: "malformed_http",
    413: "too_large",
    431: "headers_too_large",
    500: "internal_error",
    501: "unsupported_encoding",
}


def refuse(status: int, message: str, request_id: str) -> Reply:
    """The answer to a request that never reached the application.

    Args:
        status: the HTTP status.
        message: what was wrong.
        request_id: the new id that the answer goes by.
    """
    code = _CODES.get(status, "bad_request")
    phrase = HTTPStatus(status).phrase
    return Reply(status, error_body(f"{phrase}: {message}", code, request_id), code)
