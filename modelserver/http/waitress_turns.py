"""Answers small requests in Waitress's own loop, those that came together as one batch.

To hand a request to a thread costs more than a small model takes, and so does the environment that
WSGI wants. What takes long goes to a thread, and through WSGI: large bodies, slow models, pages.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress import task

from modelserver.exchange import HttpRequest
from modelserver.http.limits import QUICK_BODY_BYTES, TURN_SECONDS
from modelserver.http.newest_first import NewestFirst
from modelserver.http.waitress_connection import Connection, WaitressHeaders
from modelserver.pace import QUICK_SECONDS
from modelserver.replies import request_id
from modelserver.scoring import Found, Scoring

_log = logging.getLogger(__name__)

_HOLD_SECONDS = QUICK_SECONDS
_GLANCE_SECONDS = 0.001


@dataclass(slots=True, eq=False)
class _Small:
    """A connection whose next request waits for the loop."""

    connection: Connection
    scoring: Scoring
    found: Found
    held_since: float = 0.0  # the `time.monotonic()` since which it waits for its model


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
        self._small: deque[_Small] = deque()
        self._unrecorded: deque[Callable[[], None]] = deque()

    def patience_seconds(self, most: float) -> float:
        """How long the loop may wait for the network."""
        if not self._small:
            return most
        return _GLANCE_SECONDS if self._small[0].held_since else 0.0

    def add_task(self, connection: Connection) -> None:
        """Take the next request of a connection; the connection's lock is held."""
        request, scoring = connection.requests[0], self._scoring
        found = scoring.find(request.path) if scoring and not request.error else None
        if scoring is None or found is None or request.body_bytes_received > QUICK_BODY_BYTES:
            super().add_task(connection)
        else:
            self._small.append(_Small(connection, scoring, found))

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
            small = self._small[0]
            if self._surely(self._begin, small):
                begun.append(small.connection)
            # Those begun may be why it is not quick.
            elif begun or self._surely(self._hold, small):
                break
            else:
                super().add_task(small.connection)
            self._small.popleft()
        return begun

    def _surely(self, look: Callable[[_Small], bool], small: _Small) -> bool:
        try:
            return look(small)
        except Exception:  # would end the loop, and with it the service; a thread answers
            _log.exception("a request could not be looked at")
            return False

    def _hold(self, small: _Small) -> bool:
        """Whether a request waits a moment for a quick model that a thread is running.

        Were it handed to a thread, that one would keep the model busy for the next request, and
        so on: one stumble, and nothing would be answered together any more.
        """
        if not _is_lone(small.connection) or not small.scoring.will_be_quick(small.found):
            return False
        now = time.monotonic()
        small.held_since = small.held_since or now
        return now - small.held_since < _HOLD_SECONDS

    def _begin(self, small: _Small) -> bool:
        """Begin a request that is scored at once, or refuse it: under overload most are refused.

        One that is neither is checked again by its thread: it may find the queue full by then.
        """
        connection, scoring = small.connection, small.scoring
        if not _is_lone(connection):
            return False
        request = connection.requests[0]
        asked = _ask(connection, request, self._unrecorded.append)
        if scoring.is_quick(small.found):
            request.outcome = scoring.begin(small.found, asked)
        else:
            request.outcome = scoring.refuse(small.found, asked)
        request.identity = asked.id
        return request.outcome is not None

    def _record(self, record: Callable[[], None]) -> None:
        try:
            record()
        except Exception:  # would end the loop too
            _log.exception("an answer could not be recorded")


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
