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

_HOLD_SECONDS = 0.005  # what a quick model may take, by its latest runs
_GLANCE_SECONDS = 0.001


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

    def patience_seconds(self, most: float) -> float:
        """How long the loop may wait for the network."""
        if not self._small:
            return most
        return _GLANCE_SECONDS if self._small[0].held_since else 0.0

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
        while begun := self._begin_together(end):
            for connection in begun:
                connection.service()
        while self._unrecorded:  # once the answers are sent
            self._record(self._unrecorded.popleft())

    def _begin_together(self, end: float) -> list[Connection]:
        """Begin requests as long as their models stay quick; hand over those that are not."""
        begun: list[Connection] = []
        while self._small and time.monotonic() < end:
            connection = self._small.popleft()
            if self._surely(self._begin, connection):
                connection.held_since = 0.0
                begun.append(connection)
            # Those begun may be why it is not quick.
            elif begun or self._surely(self._hold, connection):
                self._small.appendleft(connection)
                break
            else:
                connection.held_since = 0.0
                super().add_task(connection)
        return begun

    def _surely(self, look: Callable[[Connection], bool], connection: Connection) -> bool:
        try:
            return look(connection)
        except Exception:  # would end the loop, and with it the service; a thread answers
            _log.exception("a request could not be looked at")
            return False

    def _hold(self, connection: Connection) -> bool:
        """Whether a request waits a moment for a quick model that a thread is running.

        Were it handed to a thread, that one would keep the model busy for the next request, and
        so on: one stumble, and nothing would be answered together any more.
        """
        now = time.monotonic()
        found = self._find(connection.requests[0])
        if not _is_lone(connection) or found is None or self._scoring is None:
            return False
        if not self._scoring.will_be_quick(found):
            return False
        connection.held_since = connection.held_since or now
        return now - connection.held_since < _HOLD_SECONDS

    def _begin(self, connection: Connection) -> bool:
        """Begin a request that is scored at once, or refuse it: under overload most are refused.

        One that is neither is checked again by its thread: it may find the queue full by then.
        """
        request = connection.requests[0]
        scoring, found = self._scoring, self._find(request)
        if not _is_lone(connection) or found is None or scoring is None:
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


def _is_lone(connection: Connection) -> bool:
    """Whether all there is of a connection is one request; else it may wait for its client.

    Without its client nobody would finish what is begun, and its place would never come back.
    """
    alone = len(connection.requests) == 1 and not connection.total_outbufs_len
    return bool(connection.connected and alone)


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
