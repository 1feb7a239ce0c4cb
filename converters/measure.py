"""What a conversion took, and how fast its result is on this machine."""

import platform
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from converters.progress import Progress
from modelserver.cpu import available_cpus
from modelserver.runtime import OnnxModel

_SECONDS_EACH = 3.0
_LEAST_RUNS, _MOST_RUNS = 3, 20


class Stages:
    """How long each step of a conversion took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the `with` block and say on standard error that it is running."""
        started = time.perf_counter()
        with Progress(name, 1):
            yield
        self.seconds[name] = time.perf_counter() - started

    def facts(self) -> dict[str, str]:
        """For the report: time of each step, and the most memory the process has held."""
        times = {name: f"{seconds:.1f} s" for name, seconds in self.seconds.items()}
        return {**times, "peak memory": f"{peak_memory_bytes() / 1e6:.0f} MB"}


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024  # kilobytes elsewhere


def rows_per_second(
    models: Mapping[str, OnnxModel], name: str, rows: np.ndarray, batch: int
) -> dict[str, float]:
    """Measure throughput: the best of several runs, so that other work on the machine counts less.

    The models take turns, so that the rest of that work hits all of them alike.

    Args:
        models: what to run, by what the result calls it.
        name: of their input.
        rows: rows to run; repeated when there are fewer than `batch`.
        batch: rows of each run.
    """
    feed = {name: np.resize(rows, (batch, *rows.shape[1:]))}
    for model in models.values():
        model.run(feed)
    best = dict.fromkeys(models, float("inf"))
    spent, runs = 0.0, 0
    while runs < _LEAST_RUNS or (spent < _SECONDS_EACH * len(models) and runs < _MOST_RUNS):
        for key, model in models.items():
            started = time.perf_counter()
            model.run(feed)
            seconds = time.perf_counter() - started
            best[key], spent = min(best[key], seconds), spent + seconds
        runs += 1
    return {key: batch / seconds for key, seconds in best.items()}


def machine() -> str:
    """The processor and how many of its CPUs this process may use."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2] for line in file if line.startswith("model name")]
        name = names[0].strip() if names else name
    except OSError:
        pass
    return f"{name}, {available_cpus()} CPUs"
