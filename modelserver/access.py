"""Records each answer once: a log line and the request metrics."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from modelserver.logs import Log
from modelserver.metrics import Metrics
from modelserver.model import ServedModel
from modelserver.statistics import Stages
from modelserver.traceparent import trace_id

_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)

Trace = Callable[[str, str, float, int, dict[str, str | int | float]], None]
"""Called with name, traceparent, seconds, status and attributes of each request."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where answers are recorded.

    Args:
        log: takes one line per request.
        metrics: counts it.
        trace: takes one span per request.
    """

    log: Log
    metrics: Metrics
    trace: Trace | None = None

    def answered(
        self,
        *,
        request_id: str,
        route: str,
        method: str,
        status: int,
        code: str = "",
        model: ServedModel | None = None,
        client: str = "",
        traceparent: str = "",
        stages: Stages | None = None,
        bytes_in: int,
        bytes_out: int,
        seconds: float,
    ) -> None:
        """Record one answer, which took so many seconds.

        `traceparent` is the header, if it was well formed; `stages` are known of a request that
        was scored. A path is recorded as its route, and a method only when HTTP knows it, because
        either can hold anything a caller typed.
        """
        method = method if method in _METHODS else "other"
        self.metrics.answered(model, client, status, code, seconds)
        if self.trace:
            attributes: dict[str, str | int | float] = {
                "http.request.method": method,
                "http.route": route,
                "error.type": code,
                "modelserver.client": client,
                **_of_model(model),
                **(_stages(stages) if stages else {}),
            }
            known = {name: value for name, value in attributes.items() if value != ""}
            self.trace(f"{method} {route}", traceparent, seconds, status, known)
        self.log(
            "request",
            request_id=request_id,
            trace_id=trace_id(traceparent),
            client=client,
            method=method,
            route=route,
            model=model.name if model else None,
            version=str(model.version) if model else None,
            status=status,
            code=code,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            milliseconds=_milliseconds(seconds),
            **(_stages(stages) if stages else {}),
        )

    def failed(self, request_id: str, error: BaseException) -> None:
        """Record a fault of ours: where it happened, but not its text, which may hold input."""
        frames = traceback.extract_tb(error.__traceback__)
        self.log(
            "internal_error",
            request_id=request_id,
            type=type(error).__name__,
            trace=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        )


def _of_model(model: ServedModel | None) -> dict[str, str]:
    if model is None:
        return {}
    return {"modelserver.model": model.name, "modelserver.version": str(model.version)}


def _stages(stages: Stages) -> dict[str, float]:
    return {
        "decode_milliseconds": _milliseconds(stages.decode_seconds),
        "queue_milliseconds": _milliseconds(stages.queue_seconds),
        "inference_milliseconds": _milliseconds(stages.inference_seconds),
        "encode_milliseconds": _milliseconds(stages.encode_seconds),
    }


def _milliseconds(seconds: float) -> float:
    # Whole microseconds; `round` works on decimal digits, which takes five times as long.
    return int(seconds * 1e6 + 0.5) / 1000
