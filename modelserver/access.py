"""Records each answer once: a log line and the request metrics."""

import time
import traceback
from dataclasses import dataclass

from modelserver.logs import Log
from modelserver.metrics import Metrics
from modelserver.model import ServedModel
from modelserver.statistics import Stages

_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
)


@dataclass(frozen=True, slots=True)
class Access:
    """Where answers are recorded.

    Args:
        log: takes one line per request.
        metrics: counts it.
    """

    log: Log
    metrics: Metrics

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
        trace_id: str = "",
        stages: Stages | None = None,
        bytes_in: int,
        bytes_out: int,
        started: float,
    ) -> None:
        """Record one answer; `started` is the `time.perf_counter()` of its beginning.

        `stages` are known of a request that was scored. A path is recorded as its route, and a
        method only when HTTP knows it, because either can hold anything a caller typed.
        """
        seconds = time.perf_counter() - started
        self.metrics.answered(model, client, status, code, seconds)
        self.log(
            "request",
            request_id=request_id,
            trace_id=trace_id,
            client=client,
            method=method if method in _METHODS else "other",
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


def _stages(stages: Stages) -> dict[str, float]:
    return {
        "decode_milliseconds": _milliseconds(stages.decode_seconds),
        "queue_milliseconds": _milliseconds(stages.queue_seconds),
        "inference_milliseconds": _milliseconds(stages.inference_seconds),
        "encode_milliseconds": _milliseconds(stages.encode_seconds),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
