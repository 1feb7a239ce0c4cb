"""Answers small requests in Waitress's own loop, those that came together as one batch.

To hand a request to a thread costs more than a small model takes, and so does the environment that
WSGI wants. What takes long goes to a thread, and through WSGI: large bodies, slow models, pages.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from waitress import task

from modelserver.exchange import HttpRequest
from modelserver.http.limits import QUICK_BODY_BYTES, TURN_SECONDS
from modelserver.http.newest_first import NewestFirst
from modelserver.http.waitress_connection import Connection, WaitressHeaders
from modelserver.replies import request_id
from modelserver.scoring import Found, Scoring

_log = logging.getLogger(__name__)


class Turns(task.ThreadedTaskDispatcher):
    """Hands requests to threads, except those that are answered sooner than a thread wakes.

    Args:
        scoring: knows which those are.
    """

    def __init__(self, scoring: Scoring | None) -> None:
        super().__init__()
        # Otherwise every thread comes to work in turn, and each fills caches of memory of its own.
        self.queue_cv = NewestFirst(self.lock)
        self._scoring = scoring
        self._small: deque[Connection] = deque()
        self._unrecorded: deque[Callable[[], None]] = deque()

    @property
    def has_small(self) -> bool:
        """Whether requests wait for the loop."""
        return bool(self._small)

    def add_task(self, connection: Connection) -> None:
        """Take the next request of a connection; the connection's lock is held."""
        request = connection.requests[0]
        if self._find(request) is None or request.body_bytes_received > QUICK_BODY_BYTES:
            super().add_task(connection)
        else:
            self._small.append(connection)

    def answer_quick(self) -> None:
        """Answer in this thread, which is the loop's, what takes no time; for one turn."""
        end = time.monotonic() + TURN_SECONDS
        while self._small and time.monotonic() < end:
            for connection in self._begin_together(end):
                connection.service()
        while self._unrecorded:  # once the answers are sent
            self._record(self._unrecorded.popleft())

    def _begin_together(self, end: float) -> list[Connection]:
        """Begin requests as long as their models stay quick; hand over those that are not."""
        begun: list[Connection] = []
        while self._small and time.monotonic() < end:
            connection = self._small.popleft()
            if self._begins(connection):
                begun.append(connection)
            elif begun:  # which may be why; asked again once they are answered
                self._small.appendleft(connection)
                break
            else:
                super().add_task(connection)
        return begun

    def _begins(self, connection: Connection) -> bool:
        try:
            return self._begin(connection)
        except Exception:  # would end the loop, and with it the service; a thread answers
            _log.exception("a request could not be looked at")
            return False

    def _begin(self, connection: Connection) -> bool:
        """Begin a request that is scored at once, or refuse it: under overload most are refused.

        One that is neither is checked again by its thread: it may find the queue full by then.
        """
        # With more than one request or answer in it, the connection may wait for its client.
        if len(connection.requests) != 1 or connection.total_outbufs_len:
            return False
        request = connection.requests[0]
        scoring, found = self._scoring, self._find(request)
        if scoring is None or found is None:
            return False
        asked = _ask(connection, request, self._unrecorded.append)
        if scoring.is_quick(found):
            request.outcome = scoring.begin(found, asked)
        else:
            request.outcome = scoring.refuse(found, asked)
        request.identity = asked.id
        return request.outcome is not None

    def _record(self, record: Callable[[], None]) -> None:
        try:
            record()
        except Exception:  # would end the loop too
            _log.exception("an answer could not be recorded")

    def _find(self, request: Any) -> Found | None:
        return None if request.error or not self._scoring else self._scoring.find(request.path)


def _ask(
    connection: Connection, request: Any, afterwards: Callable[[Callable[[], None]], None]
) -> HttpRequest:
    headers = WaitressHeaders(request.headers)
    length = headers.get("content-length")
    return HttpRequest(
        method=request.command,
        path=request.path,
        headers=headers,
        length=int(length) if length else None,
        read_body=lambda: request.get_body_stream().read(),
        id=request_id(headers.get("x-request-id", "")),
        started=time.perf_counter(),
        is_gone=connection.check_client_disconnected,
        afterwards=afterwards,
    )
