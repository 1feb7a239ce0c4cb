"""Everything the server can answer instead of a score, with its HTTP status and stable code.

ServingError
├── RequestError                      the caller can mend it
│   ├── Undecodable          400      the body is not what its content type says
│   ├── KeyMissing           401      no API key where one is needed
│   ├── KeyUnknown           403      an API key that is no client's
│   ├── NotFound             404      no such path or model
│   ├── MethodNotAllowed     405
│   ├── LengthRequired       411      a body without a stated length
│   ├── TooLarge             413      bytes, rows or characters over a limit
│   ├── UnsupportedMediaType 415
│   ├── UnsupportedEncoding  415
│   ├── InvalidInput         422      decodable, but not what the model takes
│   ├── TooManyRequests      429      the client is over a limit of its own
│   └── LoadFailed           422      the artefact that was to be loaded must not be served
├── Unavailable              503      draining or not ready; try again later
│   └── Overloaded           503      more work is waiting than can be done in time
├── DeadlineExceeded         504      the time that the caller gives ran out
├── ClientGone               499      the caller hung up; seen in logs and metrics only
├── ModelFailed              500      the model could not run
│   └── RefusedByModel       422      the model ran, and this very input made it fail
└── InternalError            500      a fault of ours, without detail

ArtefactError                         an artefact folder that must not be served
SettingsError                         a setting the server refuses to start with
FetchError                            a download that cannot succeed
"""

from collections.abc import Mapping
from typing import ClassVar


class ServingError(Exception):
    """A request that gets an error instead of a score; the message is what the caller reads."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    @property
    def headers(self) -> Mapping[str, str]:
        """Extra response headers that belong to this error."""
        return {}


class RequestError(ServingError):
    """The request is at fault; the message names what was wrong, expected and found."""

    status = 400
    code = "bad_request"


class Undecodable(RequestError):
    """The body cannot be decoded as its content type says."""

    code = "undecodable"


class KeyMissing(RequestError):
    """The path needs an API key, and none came."""

    status = 401
    code = "key_missing"

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge that HTTP requires with this status (RFC 6750)."""
        return {"WWW-Authenticate": 'Bearer realm="modelserver"'}


class KeyUnknown(RequestError):
    """An API key came that belongs to no client."""

    status = 403
    code = "key_unknown"


class NotFound(RequestError):
    """There is no such path, model or version."""

    status = 404
    code = "not_found"


class MethodNotAllowed(RequestError):
    """The path exists and takes another method.

    Args:
        message: what was tried.
        allowed: the methods the path takes.
    """

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        """The `Allow` header that HTTP requires with this status."""
        return {"Allow": ", ".join(self.allowed)}


class LengthRequired(RequestError):
    """The request has a body but does not say how long it is."""

    status = 411
    code = "length_required"


class TooLarge(RequestError):
    """The request is over a limit in bytes, rows or characters."""

    status = 413
    code = "too_large"


class UnsupportedMediaType(RequestError):
    """The model does not take this content type."""

    status = 415
    code = "unsupported_media_type"


class UnsupportedEncoding(RequestError):
    """The body is compressed in a way that the server does not undo.

    Args:
        message: what came.
        accepted: the encodings that it undoes.
    """

    status = 415
    code = "unsupported_encoding"

    def __init__(self, message: str, accepted: tuple[str, ...]) -> None:
        super().__init__(message)
        self.accepted = accepted

    @property
    def headers(self) -> Mapping[str, str]:
        """The `Accept-Encoding` header that HTTP asks for with this status."""
        return {"Accept-Encoding": ", ".join(self.accepted)}


class InvalidInput(RequestError):
    """The body is well formed, but its content does not fit the model."""

    status = 422
    code = "invalid_input"


class LoadFailed(RequestError):
    """The files of a model that was to be loaded must not be served; the last good one still is."""

    status = 422
    code = "load_failed"


class _TryLater(Exception):
    """What errors share after which the same request may succeed in a while.

    Args:
        message: what is in its way.
        retry_after_seconds: when a client may try again.
    """

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back."""
        return {"Retry-After": str(self.retry_after_seconds)}


class TooManyRequests(_TryLater, RequestError):
    """The client asks more than it may."""

    status = 429
    code = "too_many_requests"


class Unavailable(_TryLater, ServingError):
    """The service cannot take work now."""

    status = 503
    code = "unavailable"


class Overloaded(Unavailable):
    """A limit of waiting work is reached, or the caller's time would run out before its turn."""

    code = "overloaded"


class DeadlineExceeded(ServingError):
    """The request was not answered within the time that the caller or the server allows."""

    status = 504
    code = "deadline_exceeded"


class ClientGone(ServingError):
    """The caller closed its connection, so that its work was dropped; nobody reads this."""

    status = 499
    code = "client_gone"


class ModelFailed(ServingError):
    """The model could not score input that fits its signature."""

    code = "model_failed"


class RefusedByModel(ModelFailed):
    """The input fits the model's signature, but a node of its graph cannot take the values."""

    status = 422
    code = "refused_by_model"


class InternalError(ServingError):
    """A fault of the server; the log has the detail, the caller does not."""


class ArtefactError(Exception):
    """The artefact must not be served; the message names the file and the reason."""


class SettingsError(Exception):
    """A setting is unknown, out of bounds or contradicts another; the message names it."""


class FetchError(Exception):
    """A download cannot succeed, or is not what was asked for; the message says what to mend."""
