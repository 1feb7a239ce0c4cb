"""Scores what one turn of the event loop brought, together, and never for long.

A turn begins the requests that have arrived, so that they share a batch, then runs the model of
each in the loop's own thread: no hand-over, which costs more than a small model. What takes long is
kept out of the loop: reading large bodies and images goes to a pool, slow models run in threads of
their own. So the loop is held for at most `TURN_SECONDS` of beginning, the same of running, and the
one piece of work that was under way then; each is small or would not have been let in.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from modelserver.exchange import HttpRequest, Pending, at_once
from modelserver.http.connection import Cancel, Respond
from modelserver.http.limits import QUICK_BODY_BYTES, TURN_SECONDS
from modelserver.http.request_reader import Request
from modelserver.http.response import Response
from modelserver.pace import Pace
from modelserver.replies import Reply, request_id
from modelserver.scoring import Found, Scoring

QUICK_READ_SECONDS = 0.001
"""A body is not read in the loop either when those before it took longer than this to read."""

_KIBIBYTE = 1024
_ANY_LENGTH = 2**31  # for a line without steps


@dataclass(slots=True, eq=False)
class _Job:
    """A request on its way to an answer."""

    found: Found
    request: HttpRequest
    respond: Respond
    apart: bool  # read and answered in the pool
    pending: Pending | None = None
    given_up: bool = False
    timer: asyncio.TimerHandle | None = None


class Turns:
    """Takes scoring requests; everything but what it gives to the pool happens in the loop.

    Args:
        scoring: answers them.
        loop: the event loop, which has not begun to run.
        pool: for what takes long.
        clock: seconds that only grow, by which a turn ends.
    """

    def __init__(
        self,
        scoring: Scoring,
        loop: asyncio.AbstractEventLoop,
        pool: Executor,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._scoring = scoring
        self._loop = loop
        self._pool = pool
        self._clock = clock
        self._arrived: deque[_Job] = deque()
        self._begun: deque[_Job] = deque()
        self._scheduled = False
        self._reading: dict[tuple[str, str | None], Pace] = {}  # by route and model

    def take(self, found: Found, request: Request, respond: Respond) -> Cancel:
        """Have a request answered; see Office.handle."""
        body = request.body
        length = len(body) if "content-length" in request.headers else None
        apart = self._takes_long(found, len(body))
        # The loop records answers once it has sent them; a thread of the pool must not ask it to.
        asked = _ask(request, length, at_once if apart else self._loop.call_soon)
        job = _Job(found, asked, respond, apart)
        if job.apart:
            self._pool.submit(self._begin_apart, job)
        else:
            self._arrived.append(job)
            self._schedule()
        return partial(self._give_up, job)

    def refuse(self, found: Found, head: Request) -> Response | None:
        """Refuse a request whose body has not arrived; see Office.refuse."""
        # A body in chunks has a length, which just is not known yet.
        length = int(head.headers.get("content-length", 0))
        asked = _ask(head, length, self._loop.call_soon)
        reply = self._scoring.refuse(found, asked)
        return None if reply is None else Response.of(reply, asked.id)

    def _takes_long(self, found: Found, length: int) -> bool:
        if length > QUICK_BODY_BYTES:
            return True
        pace = self._reading.get((found.route.label, found.model))
        if pace is None:
            return False
        return pace.predict(1 + length // _KIBIBYTE, _ANY_LENGTH) > QUICK_READ_SECONDS

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Begin and run what there is, as long as the turn lasts."""
        try:
            self._begin_and_run()
        finally:
            self._scheduled = False
            if self._arrived or self._begun:
                self._schedule()

    def _begin_and_run(self) -> None:
        clock = self._clock
        end = clock() + TURN_SECONDS
        while self._arrived and clock() < end:
            job = self._arrived.popleft()
            if not job.given_up:
                self._go_on(job, self._begin(job))
        end = clock() + TURN_SECONDS
        while self._begun and clock() < end:
            self._run(self._begun.popleft())

    def _begin(self, job: _Job) -> Reply | Pending:
        """Read a request and queue its work; in any thread."""
        # The thread's own time: waiting for the interpreter says nothing of the request.
        started = time.thread_time()
        outcome = self._scoring.begin(job.found, job.request)
        if isinstance(outcome, Pending):
            key = (job.found.route.label, job.found.model)
            pace = self._reading.setdefault(key, Pace())
            length = job.request.length or 0
            pace.observe(1 + length // _KIBIBYTE, time.thread_time() - started)
        return outcome

    def _begin_apart(self, job: _Job) -> None:
        if not job.given_up:
            outcome = self._begin(job)
            self._in_loop(self._go_on, job, outcome)

    def _go_on(self, job: _Job, outcome: Reply | Pending) -> None:
        """Answer at once, or in this turn or the next."""
        if isinstance(outcome, Reply):
            self._answer(job, outcome)
        elif job.given_up:
            outcome.cancel()
        else:
            job.pending = outcome
            outcome.when_done(partial(self._done, job, threading.get_ident()))
            self._begun.append(job)
            self._schedule()

    def _run(self, job: _Job) -> None:
        """Run the model here or elsewhere."""
        pending = job.pending
        if pending is None:  # answered by the run of another, or given up
            return
        pending.run()
        if job.pending is not None:
            left = pending.deadline - time.perf_counter()
            job.timer = self._loop.call_later(max(left, 0.0), pending.expire)

    def _done(self, job: _Job, loop_thread: int) -> None:
        """The model has answered, in any thread."""
        if threading.get_ident() == loop_thread:
            self._finish(job)
        else:
            self._in_loop(self._finish, job)

    def _finish(self, job: _Job) -> None:
        pending, job.pending = job.pending, None
        if job.timer is not None:
            job.timer.cancel()
        if pending is None:  # given up
            return
        if job.apart:
            self._pool.submit(self._finish_apart, job, pending)
        else:
            self._answer(job, pending.finish())

    def _finish_apart(self, job: _Job, pending: Pending) -> None:
        self._in_loop(self._answer, job, pending.finish())

    def _in_loop(self, call: Callable[..., None], *arguments: object) -> None:
        """Have something done by the loop; once it is closed, nobody waits any more."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    def _answer(self, job: _Job, reply: Reply) -> None:
        job.respond(Response.of(reply, job.request.id))

    def _give_up(self, job: _Job) -> None:
        """Nobody waits for the answer: what has not run does not run."""
        job.given_up = True
        pending, job.pending = job.pending, None
        if pending is not None:
            pending.cancel()
        if job.timer is not None:
            job.timer.cancel()


def _ask(
    request: Request, length: int | None, afterwards: Callable[[Callable[[], None]], object]
) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=request.path,
        headers=request.headers,
        length=length,
        read_body=lambda: request.body,
        id=request_id(request.headers.get("x-request-id", "")),
        started=time.perf_counter(),
        afterwards=afterwards,
    )
