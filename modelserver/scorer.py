"""Takes a scoring request through admission and the model; knows whether the server may work."""

import enum
import threading

from modelserver.errors import NotFound, Overloaded, Unavailable
from modelserver.metrics import Metrics
from modelserver.model import ServedModel
from modelserver.repository import Repository
from modelserver.statistics import Stages


class State(enum.Enum):
    """The life of a server, in order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"  # not ready any more, but still taking requests
    CLOSED = "closed"  # taking none, finishing those it has


class Scorer:
    """Answers scoring requests while the server may work.

    Args:
        metrics: told about every scored request.
        max_inflight: most requests that may have a place at a time.
        ready_without_models: whether a server without any model is ready.
    """

    def __init__(
        self, metrics: Metrics, max_inflight: int = 1024, ready_without_models: bool = False
    ) -> None:
        self._metrics = metrics
        self._ready_without_models = ready_without_models
        self._repository = Repository({})
        self._loaded = False
        self._state = State.STARTING
        self._max_inflight = max_inflight
        self._inflight = 0
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        metrics.watch(lambda: self._inflight, lambda: self.saturation)

    @property
    def state(self) -> State:
        """Where the server is in its life."""
        return self._state

    @property
    def repository(self) -> Repository:
        """The models."""
        return self._repository

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        has_models = self._ready_without_models or bool(self._repository.names())
        return self._state is State.READY and has_models

    @property
    def saturation(self) -> float:
        """How full the server is, 0 to 1: its places or its busiest model, whichever is fuller."""
        models = max((model.batcher.saturation for model in self._repository), default=0.0)
        return max(self._inflight / self._max_inflight, models)

    def open(self, repository: Repository) -> None:
        """Become ready with these models."""
        with self._changed:
            self._repository = repository
            self._loaded = True
            self._state = State.READY

    def replace(self, repository: Repository) -> None:
        """Serve other models from the next request on; those found before stay with theirs."""
        self._repository = repository

    def start_draining(self) -> None:
        """Stop being ready; requests that still come are answered if there are models."""
        with self._changed:
            self._state = State.DRAINING if self._state is State.READY else State.CLOSED

    def close(self) -> None:
        """Refuse new requests."""
        with self._changed:
            self._state = State.CLOSED

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Wait until no request is in flight; False when the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._inflight == 0, timeout_seconds)

    def check_open(self) -> None:
        """Refuse a request that could not have a place now.

        Raises:
            Overloaded: all places are taken.
            Unavailable: the server is starting or closed.
        """
        if self._state in (State.STARTING, State.CLOSED):
            what = "is loading its models" if self._state is State.STARTING else "is stopping"
            raise Unavailable(f"the server {what}; try again")
        if self._inflight >= self._max_inflight:
            raise Overloaded(f"the server is busy with {self._inflight} requests; try again")

    def enter(self) -> None:
        """Take a place for one request; whoever gets one must `leave`; raises as check_open."""
        with self._lock:
            self.check_open()
            self._inflight += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._inflight -= 1
            if not self._inflight:
                self._changed.notify_all()

    def find(self, name: str | None, version: str | None) -> ServedModel:
        """Find a model by the parts of a path; no name means the only model there is.

        Raises:
            Unavailable: the models are not loaded yet.
            NotFound: it is not served.
        """
        if not self._loaded:
            raise Unavailable("the server is loading its models; try again")
        repository = self._repository
        if name is None:
            return repository.only()
        if not name:
            raise NotFound("the path names no model")
        return repository.get(name, version)

    def record(self, model: ServedModel, stages: Stages) -> None:
        """Record what one scored request took."""
        self._metrics.scored(model, stages)
        model.statistics.scored(stages)
