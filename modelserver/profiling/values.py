"""A values file for the Helm chart, made of what was measured."""

import math
import re

from modelserver.profiling.grid import Point

_ROOM = 0.7  # of the knee: where the autoscaler should hold a pod, so that a burst still fits
_LEAST_INFLIGHT = 16
_QUEUE_DEPTH = 4  # requests in flight for each caller at the knee; more would only wait
_MEMORY_ROOM, _MEMORY_STEP = 1.5, 64 * 2**20
_START_ROOM, _LEAST_START_SECONDS = 5, 30  # a node may be slower, and its disk cold


def server_settings(point: Point) -> dict[str, object]:
    """The settings of a server that runs at a point: those tried, and how much it lets in."""
    most = max(_LEAST_INFLIGHT, _QUEUE_DEPTH * point.load.callers)
    return {**point.settings, "max_inflight_requests": most}


def helm_values(knee: Point, p99_seconds: float, measured: str) -> str:
    """Write the values that run one pod at the knee.

    Args:
        knee: where to run, confirmed.
        p99_seconds: the goal it was chosen for.
        measured: what and where, for the file's head.
    """
    load = knee.load
    memory = _mebibytes(knee.peak_bytes * _MEMORY_ROOM)
    lines = [
        "# Written by `python -m modelserver profile`.",
        *(f"# {line}" for line in measured.splitlines()),
        f"# At the knee: {load.callers} callers at a time, {load.requests_per_second:.0f} requests "
        "a second,",
        f"# p99 {load.p99_seconds * 1000:.1f} ms at most (goal {p99_seconds * 1000:g} ms), "
        f"{knee.cores:.2f} cores.",
        "resources:",
        f'  requests: {{cpu: "{_cores(knee.cores)}", memory: {memory}Mi}}',
        f"  limits: {{memory: {memory}Mi}}",
        "server:",
        *(f"  {_camel(name)}: {value}" for name, value in sorted(server_settings(knee).items())),
        "model:",
        f"  loadTimeoutSeconds: {_start_seconds(knee.start_seconds)}",
        "autoscaling:",
        "  targetCPU: 70",
        f"  targetInflight: {max(1, round(_ROOM * load.callers))}",
    ]
    return "\n".join(lines) + "\n"


def _cores(used: float) -> str:
    """What to request: rounded up to a tenth, so that the scheduler keeps what was used."""
    return f"{max(0.1, math.ceil(used * 10) / 10):g}"


def _mebibytes(count: float) -> int:
    return math.ceil(count / _MEMORY_STEP) * (_MEMORY_STEP // 2**20)


def _start_seconds(seconds: float) -> int:
    return max(_LEAST_START_SECONDS, math.ceil(seconds * _START_ROOM))


def _camel(name: str) -> str:
    """The chart writes settings in camel case."""
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)
