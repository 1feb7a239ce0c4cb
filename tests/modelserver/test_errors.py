"""The error tree: what each error means to an HTTP client."""

import pytest

from modelserver import errors
from modelserver.errors import ServingError

ROWS = [
    (errors.ServingError("x"), 500, "internal_error", {}),
    (errors.RequestError("x"), 400, "bad_request", {}),
    (errors.Undecodable("x"), 400, "undecodable", {}),
    (
        errors.KeyMissing("x"),
        401,
        "key_missing",
        {"WWW-Authenticate": 'Bearer realm="modelserver"'},
    ),
    (errors.KeyUnknown("x"), 403, "key_unknown", {}),
    (errors.NotFound("x"), 404, "not_found", {}),
    (
        errors.MethodNotAllowed("x", ("GET", "HEAD")),
        405,
        "method_not_allowed",
        {"Allow": "GET, HEAD"},
    ),
    (errors.LengthRequired("x"), 411, "length_required", {}),
    (errors.TooLarge("x"), 413, "too_large", {}),
    (errors.UnsupportedMediaType("x"), 415, "unsupported_media_type", {}),
    (
        errors.UnsupportedEncoding("x", ("gzip", "deflate")),
        415,
        "unsupported_encoding",
        {"Accept-Encoding": "gzip, deflate"},
    ),
    (errors.InvalidInput("x"), 422, "invalid_input", {}),
    (errors.LoadFailed("x"), 422, "load_failed", {}),
    (errors.TooManyRequests("x", 3), 429, "too_many_requests", {"Retry-After": "3"}),
    (errors.Unavailable("x"), 503, "unavailable", {"Retry-After": "1"}),
    (errors.Unavailable("x", retry_after_seconds=7), 503, "unavailable", {"Retry-After": "7"}),
    (errors.Overloaded("x", 3), 503, "overloaded", {"Retry-After": "3"}),
    (errors.DeadlineExceeded("x"), 504, "deadline_exceeded", {}),
    (errors.ClientGone("x"), 499, "client_gone", {}),
    (errors.ModelFailed("x"), 500, "model_failed", {}),
    (errors.RefusedByModel("x"), 422, "refused_by_model", {}),
    (errors.InternalError("x"), 500, "internal_error", {}),
]


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"), ROWS, ids=[type(row[0]).__name__ for row in ROWS]
)
def test_status_and_code(
    error: ServingError, status: int, code: str, headers: dict[str, str]
) -> None:
    """Every error has its status, its stable code and the headers HTTP wants with it."""
    assert (error.status, error.code, dict(error.headers)) == (status, code, headers)
    assert str(error) == "x"


def test_table_is_complete() -> None:
    """A new error needs a row in the table above."""
    classes = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, ServingError)
    }
    assert classes == {type(row[0]) for row in ROWS}


def test_codes_tell_errors_apart() -> None:
    """No two errors that a client could handle differently share a code."""
    codes = [type(row[0]).code for row in {type(row[0]): row for row in ROWS}.values()]
    shared = {code for code in codes if codes.count(code) > 1}
    assert shared == {"internal_error"}  # the root of the tree, which nothing raises


@pytest.mark.parametrize("error", [errors.ArtefactError, errors.SettingsError, errors.FetchError])
def test_start_up_errors_are_no_answers(error: type[Exception]) -> None:
    """What stops the server at start can never be mistaken for an answer to a request."""
    assert not issubclass(error, ServingError)
