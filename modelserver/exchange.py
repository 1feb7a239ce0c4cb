"""One scoring request from the door to its record, without a thread that has to wait for it."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from modelserver import traceparent
from modelserver.access import Access
from modelserver.auth.guard import Guard
from modelserver.calls import Call
from modelserver.errors import ClientGone, DeadlineExceeded, InternalError, ServingError
from modelserver.model import ServedModel
from modelserver.replies import Reply, answer, refusal
from modelserver.scorer import Scorer
from modelserver.statistics import Stages
from modelserver.work import Work


class Headers(Protocol):
    """The headers of a request by lower-case name; a dict will do."""

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value of a header, or the default."""


def at_once(work: Callable[[], None]) -> None:
    """Do work now; see HttpRequest.afterwards."""
    work()


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, whatever server it came through.

    Args:
        method: as sent.
        path: decoded, without the query.
        headers: by lower-case name.
        length: bytes of the body; None when the client did not say.
        read_body: returns the whole body; not called for a request that is refused at the door.
        id: the request's id.
        started: `time.perf_counter()` of its beginning.
        is_gone: whether the client has hung up; None where nobody knows.
        afterwards: has something done that the answer need not wait for; by default it waits.
    """

    method: str
    path: str
    headers: Headers
    length: int | None
    read_body: Callable[[], bytes]
    id: str
    started: float
    is_gone: Callable[[], bool] | None = None
    afterwards: Callable[[Callable[[], None]], object] = at_once


class Exchange:
    """What is known of a request so far; `close` gives its place back and has it recorded.

    Args:
        scorer: where it has a place from `enter` to `close`.
        access: records it.
        guard: counts its client.
        request: the request.
        route: the path's label for logs.
    """

    __slots__ = (
        *("_access", "_entered", "_guard"),
        *("bytes_in", "client", "model", "reply", "request", "route", "scorer"),
    )

    def __init__(
        self, scorer: Scorer, access: Access, guard: Guard, request: HttpRequest, route: str
    ) -> None:
        self.scorer = scorer
        self.client = ""
        self.request = request
        self.route = route
        self.model: ServedModel | None = None
        self.bytes_in = 0
        self._access = access
        self._guard = guard
        self._entered = False
        self.reply: Reply | None = None

    def enter(self) -> None:
        """Take a place.

        Raises:
            TooManyRequests: the client has none left.
            Unavailable: there is none.
        """
        self._guard.enter(self.client)
        try:
            self.scorer.enter()
        except ServingError:
            self._guard.leave(self.client)
            raise
        self._entered = True

    def refuse(self, error: Exception) -> Reply:
        """Close with an error; one that is not meant for callers is logged and hidden."""
        if not isinstance(error, ServingError):
            self._access.failed(self.request.id, error)
            error = InternalError("internal error")
        return self.close(refusal(error, self.request.id))

    def close(self, reply: Reply, stages: Stages | None = None) -> Reply:
        """Return the reply and see to its record; `stages` when the request was scored."""
        ended = time.perf_counter()
        given = traceparent.read(self.request.headers.get(traceparent.HEADER))
        if given:
            reply = replace(reply, headers={**reply.headers, traceparent.HEADER: given})
        self.reply = reply
        if self._entered:
            self.scorer.leave()
            self._guard.leave(self.client)
        self.request.afterwards(partial(self._record, reply, stages, given, ended))
        return reply

    def _record(self, reply: Reply, stages: Stages | None, given: str, ended: float) -> None:
        """Count and log the reply."""
        request, model = self.request, self.model
        seconds = ended - request.started
        if model is not None:
            if stages is not None:
                self.scorer.record(model, stages)
            model.statistics.answered(not reply.code, seconds)
        self._access.answered(
            request_id=request.id,
            route=self.route,
            method=request.method,
            status=reply.status,
            code=reply.code,
            model=model,
            client=self.client,
            traceparent=given,
            stages=stages,
            bytes_in=self.bytes_in,
            bytes_out=len(reply.body),
            seconds=seconds,
        )


class Pending:
    """A request that waits for its model.

    A server without a thread for each request calls, in this order: `when_done`; `run` once all
    other requests that have already arrived have begun, so that they share a batch; `finish`
    from then on when the callback came. Between them it may `expire` or `cancel` the request, at
    any time and in any thread. A server with a thread to spare calls `wait` alone.

    Args:
        exchange: has entered and knows its model.
        model: its model.
        work: what was read.
        call: the work, already submitted.
    """

    __slots__ = ("_call", "_exchange", "_model", "_work")

    def __init__(self, exchange: Exchange, model: ServedModel, work: Work, call: Call) -> None:
        self._exchange = exchange
        self._model = model
        self._work = work
        self._call = call

    @property
    def deadline(self) -> float:
        """The `time.perf_counter()` from which on nobody waits for the answer."""
        return self._call.deadline

    def when_done(self, callback: Callable[[], object]) -> None:
        """Have a function called once, in any thread, when `finish` has something to answer."""
        self._model.batcher.when_done(self._call, callback)

    def run(self) -> None:
        """Have the model run: in this thread when that is quick, in another one otherwise."""
        batcher = self._model.batcher
        if batcher.is_quick:
            batcher.run(self._call)
        else:
            batcher.wake()

    def wait(self) -> Reply:
        """Run the model in this thread or wait for others that do, and finish."""
        call, batcher = self._call, self._model.batcher
        batcher.run(call)
        if not call.done:
            done = threading.Lock()
            done.acquire()
            batcher.when_done(call, done.release)
            left = call.deadline - time.perf_counter()
            if not done.acquire(timeout=-1 if left == math.inf else max(left, 0.0)):
                self.expire()
        return self.finish()

    def expire(self) -> None:
        """The deadline has passed: what is queued does not run, and the answer is an error."""
        self._model.batcher.give_up(
            self._call, DeadlineExceeded("the time for this request ran out")
        )

    def cancel(self) -> None:
        """The client has hung up: what is queued does not run, and the request is closed."""
        self._model.batcher.give_up(self._call, ClientGone("the connection was closed"))
        self.finish()

    def finish(self) -> Reply:
        """Make the reply of a call that is done; again, it returns the same reply."""
        call, exchange = self._call, self._exchange
        if exchange.reply is not None:
            return exchange.reply
        if call.error is not None:
            return exchange.refuse(call.error)
        try:
            value = self._work.encode()
            reply = value if isinstance(value, Reply) else answer(value)
        except Exception as error:
            return exchange.refuse(error)
        stages = Stages(
            rows=call.rows,
            decode_seconds=call.queued - exchange.request.started,
            queue_seconds=call.started - call.queued,
            inference_seconds=call.ended - call.started,
            encode_seconds=time.perf_counter() - call.ended,
        )
        return exchange.close(reply, stages)
