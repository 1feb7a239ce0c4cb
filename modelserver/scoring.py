"""The hot path: scoring POSTs, answered without Flask, whatever HTTP server they came through.

Flask's request machinery costs as much again as the whole HTTP server (measured in benchmarks/).
A route is answered here or there, never in both.
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelserver import timeouts, v1
from modelserver.access import Access
from modelserver.auth.guard import OPEN, Guard
from modelserver.batching import Batcher
from modelserver.calls import Call
from modelserver.errors import LengthRequired, MethodNotAllowed, ServingError, TooLarge
from modelserver.exchange import Exchange, Headers, HttpRequest, Pending
from modelserver.inflate import inflate
from modelserver.model import ServedModel
from modelserver.replies import Reply
from modelserver.scorer import Scorer
from modelserver.timeouts import Timeouts
from modelserver.work import Work

_CACHED_PATHS, _LONGEST_CACHED_PATH = 1024, 256  # a caller may invent paths

DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class ScoringRequest:
    """One scoring POST after its model was found."""

    model: ServedModel
    content_type: str
    body: bytes
    max_instances: int
    headers: Headers

    def header(self, name: str) -> str | None:
        """A header of the request, or None."""
        value: str | None = self.headers.get(name.lower())
        return value


@dataclass(frozen=True, slots=True)
class Route:
    """A scoring path: a label for logs, a pattern, and what reads its requests.

    The pattern may have the groups `model` and `version`.
    """

    label: str
    pattern: re.Pattern[str]
    read: Callable[[ScoringRequest], Work]


@dataclass(frozen=True, slots=True)
class Found:
    """The route of a path, and what the path says."""

    route: Route
    model: str | None
    version: str | None


def _predict(request: ScoringRequest) -> Work:
    """Read a request of the task API."""
    model = request.model
    instances, parameters = v1.read_request(
        model.task, request.content_type, request.body, request.max_instances
    )
    return model.read(
        instances,
        parameters,
        lambda predictions: {
            "model_name": model.name,
            "model_version": str(model.version),
            "predictions": predictions,
        },
    )


ROUTES = (
    Route(
        "/v1/models/<name>:predict",
        re.compile(r"/v1/models/(?P<model>[^/:]*)(?:/versions/(?P<version>[^/:]*))?:predict"),
        _predict,
    ),
)


class Scoring:
    """Answers the scoring routes in two halves, so that no thread has to wait for a model.

    Args:
        scorer: finds models and gives places.
        access: records answers.
        routes: the scoring paths.
        max_body_bytes: largest request body.
        max_instances: most instances in one request.
        timeouts: how long requests may take.
        guard: who may ask.
    """

    def __init__(
        self,
        scorer: Scorer,
        access: Access,
        routes: Sequence[Route] = ROUTES,
        *,
        max_body_bytes: int,
        max_instances: int,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        guard: Guard = OPEN,
    ) -> None:
        self._scorer = scorer
        self._access = access
        self._routes = tuple(routes)
        self._max_body_bytes = max_body_bytes
        self._max_instances = max_instances
        self._timeouts = timeouts
        self._guard = guard
        self._find_cached = functools.lru_cache(_CACHED_PATHS)(self._find)

    def find(self, path: str) -> Found | None:
        """The route of a path; None for those that are answered elsewhere."""
        return (self._find if len(path) > _LONGEST_CACHED_PATH else self._find_cached)(path)

    def begin(self, found: Found, request: HttpRequest) -> Reply | Pending:
        """Take a request in: check it, read it, queue its work.

        Args:
            found: what `find` says of its path.
            request: the request.

        Returns:
            The reply when there is nothing to wait for, which is always an error.
        """
        exchange = Exchange(self._scorer, self._access, self._guard, request, found.route.label)
        try:
            model, seconds = self._check(found, exchange)
            exchange.enter()
            work = found.route.read(self._read(model, exchange))
            if work.timeout_seconds:
                header = request.headers.get(timeouts.HEADER)
                seconds = self._timeouts.read(header, work.timeout_seconds)
            call = Call(work.parts, request.started + seconds, request.is_gone)
            model.batcher.submit(call)
        except Exception as error:
            return exchange.refuse(error)
        return Pending(exchange, model, work, call)

    def refuse(self, found: Found, request: HttpRequest) -> Reply | None:
        """Check a request before its body has arrived, for servers that can stop reading it.

        Returns:
            The reply when it is refused; None when it may come in.
        """
        exchange = Exchange(self._scorer, self._access, self._guard, request, found.route.label)
        try:
            self._check(found, exchange)
        except Exception as error:
            return exchange.refuse(error)
        return None

    def is_quick(self, found: Found) -> bool:
        """Whether the model of a path is so quick that an event loop may wait for it."""
        batcher = self._batcher(found)
        return batcher is None or batcher.is_quick

    def will_be_quick(self, found: Found) -> bool:
        """Whether the model of a path is quick once its present runs have ended."""
        batcher = self._batcher(found)
        return batcher is None or batcher.will_be_quick

    def _batcher(self, found: Found) -> Batcher | None:
        """The queue of the model of a path; None when there is none, and to refuse is quick."""
        try:
            return self._scorer.find(found.model, found.version).batcher
        except ServingError:
            return None

    def _find(self, path: str) -> Found | None:
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match:
                groups = match.groupdict()
                return Found(route, groups.get("model"), groups.get("version"))
        return None

    def _check(self, found: Found, exchange: Exchange) -> tuple[ServedModel, float]:
        """Decide on a request by its head alone; returns its model and its seconds."""
        request = exchange.request
        headers = request.headers
        exchange.client = self._guard.identify(
            request.path, headers.get("authorization"), headers.get("x-api-key")
        )
        _require_post(request.method)
        self._scorer.check_open()
        model = exchange.model = self._scorer.find(found.model, found.version)
        self._check_length(request.length)
        seconds = self._timeouts.read(headers.get(timeouts.HEADER))
        model.batcher.check_room(request.started + seconds)
        return model, seconds

    def _check_length(self, length: int | None) -> None:
        if length is None:
            raise LengthRequired("the request needs a body with a Content-Length")
        if length > self._max_body_bytes:
            raise TooLarge(f"body: expected at most {self._max_body_bytes} bytes, got {length}")

    def _read(self, model: ServedModel, exchange: Exchange) -> ScoringRequest:
        """Read the body, inflated."""
        request = exchange.request
        headers = request.headers
        body = request.read_body()
        exchange.bytes_in = len(body)
        encoding = headers.get("content-encoding")
        if encoding:
            body = inflate(body, encoding, self._max_body_bytes)
        content_type = headers.get("content-type", "")
        return ScoringRequest(model, content_type, body, self._max_instances, headers)


def _require_post(method: str) -> None:
    if method != "POST":
        raise MethodNotAllowed(f"this path takes POST, got {method[:16]}", ("POST",))
