"""What the supervisor asks a worker, and how errors cross between the processes."""

from typing import Any

from modelserver.errors import InternalError, LoadFailed, NotFound, ServingError, Unavailable

OPEN, DRAIN, METRICS, INDEX, LOAD, UNLOAD = "open", "drain", "metrics", "index", "load", "unload"
"""Orders; a worker answers each of them once."""

LOADED, OPENED, MODELS, FAILED = "loaded", "opened", "models", "failed"
"""What a worker tells by itself."""

_CROSSING = {error.code: error for error in (NotFound, LoadFailed, Unavailable)}


def pack_error(error: Exception) -> dict[str, str]:
    """The error of an order as JSON; one of ours says no more than that it is."""
    if isinstance(error, ServingError) and error.code in _CROSSING:
        return {"code": error.code, "message": str(error)}
    return {"code": InternalError.code, "message": "internal error"}


def unpack_error(content: dict[str, Any]) -> ServingError:
    """The error that `pack_error` was given."""
    return _CROSSING.get(content["code"], InternalError)(content["message"])
