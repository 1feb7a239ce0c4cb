"""The workers of a server as one: their readiness, metrics and models."""

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any

from modelserver import repository_index
from modelserver.errors import ServingError, Unavailable
from modelserver.families import Family, add_up, lasting, only_models
from modelserver.metrics import LARGEST, WorkerMetrics, render
from modelserver.repository_index import Entry
from modelserver.workers import orders
from modelserver.workers.process import WorkerGone, WorkerProcess

STARTING, READY, DRAINING = "starting", "ready", "draining"
"""The life of the server, in order."""

_PATIENCE_SECONDS = 1.0  # for a worker that does not answer at once; scrapes have a limit too


class Fleet:
    """The management of a server of several processes.

    Args:
        size: how many workers there should be.
    """

    def __init__(self, size: int) -> None:
        self.state = STARTING
        self.unloaded: set[str] = set()  # names that were unloaded by order
        self.counts = WorkerMetrics(size, lambda: sum(w.ready for w in self._workers.values()))
        self._size = size
        self._workers: dict[int, WorkerProcess] = {}
        self._left: list[Family] = []  # by workers that have ended
        self._lock = threading.Lock()

    @property
    def workers(self) -> list[WorkerProcess]:
        """Those that run now."""
        return list(self._workers.values())

    @property
    def all_open(self) -> bool:
        """Whether every worker takes connections."""
        return sum(worker.open for worker in self.workers) == self._size

    def add(self, worker: WorkerProcess) -> None:
        """Take in a worker that was started."""
        self._workers = {**self._workers, worker.number: worker}

    def open(self, worker: WorkerProcess) -> None:
        """Have a worker that has loaded take connections, without what was unloaded by order."""
        # In this order: what is ordered at this moment reaches it in one way or the other.
        worker.obeys = True
        worker.ask(orders.OPEN, sorted(self.unloaded))

    def remove(self, worker: WorkerProcess) -> None:
        """Keep the counts of a worker that has ended."""
        with self._lock:
            self._workers = {n: w for n, w in self._workers.items() if w is not worker}
            self._left = add_up([self._left, lasting(worker.families)], LARGEST)

    def readiness(self) -> tuple[bool, Mapping[str, Any]]:
        """Ready once every worker was, and as long as one of them is.

        One worker that starts anew is no reason to take the others from their clients.
        """
        ready = [worker for worker in self.workers if worker.ready]
        models = ready[0].models if ready else []
        return self.state == READY and bool(ready), {
            "state": self.state,
            "models": models,
            "workers": self._size,
            "workers_ready": len(ready),
        }

    def metrics(self) -> bytes:
        """The metrics of all workers added up, those that have ended included."""
        asked = {worker: worker.ask(orders.METRICS) for worker in self.workers}
        wait_for(asked.values(), timeout=_PATIENCE_SECONDS)
        with self._lock:
            for worker, future in asked.items():
                if future.done() and not future.exception():
                    worker.families = [Family.from_json(each) for each in future.result()]
            living = [worker.families for worker in self.workers]
            families = add_up([*living, self._left], LARGEST)
        return render([*only_models(families, _models(families)), *self.counts.families()])

    def index(self) -> list[Entry]:
        """Every version; it is ready where all workers have it."""
        merged: dict[tuple[str, str], Entry] = {}
        for content in self._ask_all(orders.INDEX):
            for entry in (Entry(**fields) for fields in content):
                known = merged.get((entry.name, entry.version))
                if known is None or known.state == repository_index.READY:
                    merged[entry.name, entry.version] = entry
        return list(merged.values())

    def load(self, name: str) -> None:
        """Have every worker load a model."""
        self.unloaded.discard(name)
        self._ask_all(orders.LOAD, name)

    def unload(self, name: str) -> None:
        """Have every worker, also one that starts later, stop serving a model."""
        new = name not in self.unloaded
        self.unloaded.add(name)  # before workers are asked, see `open`
        try:
            self._ask_all(orders.UNLOAD, name)
        except ServingError:
            if new:
                self.unloaded.discard(name)
            raise

    def _ask_all(self, order: str, *arguments: Any) -> list[Any]:
        """The answer of every worker that takes connections, or is about to.

        Raises:
            Unavailable: no worker is ready.
            ServingError: what one of them answered.
        """
        asked = [worker.ask(order, *arguments) for worker in self.workers if worker.obeys]
        wait_for(asked)
        answers = [future.result() for future in asked if not _is_gone(future)]
        if not answers:
            raise Unavailable("no worker is ready; try again")
        return answers


def _is_gone(future: "Future[Any]") -> bool:
    """Whether a worker ended before it answered; its successor loads what the folder holds."""
    return isinstance(future.exception(), WorkerGone)


def _models(families: Iterable[Family]) -> frozenset[tuple[str, str]]:
    """The versions that some worker has."""
    for family in families:
        if family.name == "modelserver_model_info":
            labels = [dict(series[1]) for series in family.values]
            return frozenset((each["model"], each["version"]) for each in labels)
    return frozenset()
