"""What is tried, and what was seen."""

import importlib.util
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelserver.profiling.load import Measurement, measure
from modelserver.profiling.trial import Trial

CALLERS = (1, 2, 4, 8, 16, 32, 64)
_WARM_UP_SHARE = 0.25  # of the seconds of a measurement: how long callers ask before answers count

_FAST_PACKAGES = ("httptools", "uvloop")  # what the HTTP server asyncio needs


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement of one server.

    Args:
        settings: setting name to value.
        load: what the callers got.
        cores: processors that the server used meanwhile.
        peak_bytes: its largest memory until then.
        start_seconds: how long it took to become ready.
    """

    settings: Mapping[str, object]
    load: Measurement
    cores: float
    peak_bytes: int
    start_seconds: float


def candidates(cpus: int, max_batch_rows: int) -> list[dict[str, object]]:
    """The settings worth a try on a machine for a model.

    Args:
        cpus: that the server may use.
        max_batch_rows: of the artefact; 0 for a model that counts no rows.
    """
    fast = all(importlib.util.find_spec(name) for name in _FAST_PACKAGES)
    servers = ["waitress", "asyncio"] if fast else ["waitress"]
    threads = sorted({1, cpus})
    batches = sorted({1, max_batch_rows} - {0}) or [1]
    return [
        {"http_server": server, "model_threads": count, "max_batch_rows": rows}
        for server, count, rows in itertools.product(servers, threads, batches)
    ]


def explore(
    models: Path,
    settings: Mapping[str, object],
    request: bytes,
    seconds: float,
    callers: Sequence[int],
) -> Iterator[Point]:
    """Measure one server with one number of callers after the other.

    Args:
        models: what it serves.
        settings: how.
        request: what the callers send.
        seconds: for each measurement.
        callers: numbers of callers, in order.

    Raises:
        TrialFailed: the server does not start.
        ConnectionError: it gave up on a caller.
    """
    with Trial(models, settings) as trial:
        for count in callers:
            before = trial.cpu_seconds()
            load = measure(*trial.address, request, count, seconds, seconds * _WARM_UP_SHARE)
            used = trial.cpu_seconds() - before
            cores = used / (seconds * (1 + _WARM_UP_SHARE))
            yield Point(settings, load, cores, trial.peak_bytes(), trial.load_seconds)
