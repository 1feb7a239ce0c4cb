"""A Waitress listener with our limits and a stop that loses no answer.

Waitress facts behind the code (3.0.2): a body over `inbuf_overflow` is spooled to a file, which
fails on a read-only root; the task queue is unbounded; every request is handed to a thread, which
costs more than a small model; it never stops by itself on SIGTERM.
"""

import logging
import socket
import threading
import time
from collections import deque
from typing import Any

from waitress import server, task, wasyncore
from waitress.adjustments import Adjustments

from modelserver.exchange import HttpRequest
from modelserver.http.limits import (
    BACKLOG,
    LINGER_SECONDS,
    MAX_HEADER_BYTES,
    QUICK_BODY_BYTES,
    TURN_SECONDS,
    Limits,
)
from modelserver.http.newest_first import NewestFirst
from modelserver.http.waitress_connection import Connection, WaitressHeaders
from modelserver.replies import request_id
from modelserver.scoring import Found, Scoring
from modelserver.wsgi import ScoringApp, Wsgi

_TICK_SECONDS = 1.0  # how often an idle loop wakes, to close silent connections
_RECEIVE_BYTES = 64 * 1024  # measured: 30 % less CPU on a 600 KB body than the default 8 KiB
_MEMORY_BUFFER_BYTES = 2**31 - 1  # never spill to disk; bodies are bounded by max_body_bytes


_log = logging.getLogger(__name__)


class _Dispatcher(task.ThreadedTaskDispatcher):
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
            connection = self._small.popleft()
            if self._is_surely_quick(connection):
                connection.service()
            else:
                super().add_task(connection)

    def _is_surely_quick(self, connection: Connection) -> bool:
        try:
            return self._is_quick(connection)
        except Exception:  # would end the loop, and with it the service; a thread answers 500
            _log.exception("a request could not be looked at")
            return False

    def _is_quick(self, connection: Connection) -> bool:
        """Whether a request is scored at once, or refused: under overload most are."""
        # With more than one request or answer in it, the connection may wait for its client.
        if len(connection.requests) != 1 or connection.total_outbufs_len:
            return False
        request = connection.requests[0]
        found = self._find(request)
        if found is None or self._scoring is None:
            return False
        return self._scoring.is_quick(found) or self._is_refused(self._scoring, found, request)

    def _is_refused(self, scoring: Scoring, found: Found, request: Any) -> bool:
        """Refuse a request now if it would be refused; its connection then answers with that.

        One that is let in is checked again by its thread: it may find the queue full by then.
        """
        headers = WaitressHeaders(request.headers)
        length = headers.get("content-length")
        asked = HttpRequest(
            method=request.command,
            path=request.path,
            headers=headers,
            length=int(length) if length else None,
            read_body=bytes,
            id=request_id(headers.get("x-request-id", "")),
            started=time.perf_counter(),
        )
        reply = scoring.refuse(found, asked)
        request.refusal = reply and (reply, asked.id)
        return reply is not None

    def _find(self, request: Any) -> Found | None:
        return None if request.error or not self._scoring else self._scoring.find(request.path)


class _Server(server.TcpWSGIServer):
    """A listening socket."""

    channel_class = Connection
    stopping = False
    header_timeout_seconds = 0.0

    def maintenance(self, now: float) -> None:
        """Close connections that are silent, whose header does not end, or that were refused."""
        super().maintenance(now)
        for connection in tuple(self.active_channels.values()):
            silent = now - connection.last_activity > self.adj.channel_timeout
            if silent and connection.total_outbufs_len:
                # Waitress closes what can be written to, which this client does not allow.
                connection.handle_close()
            began, lingers = connection.header_began, connection.lingers_since
            late = began and now - began > self.header_timeout_seconds
            if (late and not connection.requests) or (lingers and now - lingers > LINGER_SECONDS):
                connection.will_close = True


class WaitressFront:
    """Serves one WSGI application on one port, in threads of its own.

    Args:
        app: the WSGI application for everything but scoring.
        scoring: answers the scoring routes; None where there are none.
        listener: a bound socket, which `start` makes listen.
        threads: how many requests are answered at a time.
        limits: what a client may send.
    """

    def __init__(
        self,
        app: Wsgi,
        scoring: Scoring | None,
        listener: socket.socket,
        *,
        threads: int,
        limits: Limits,
    ) -> None:
        # It warns of every request that waits a moment for a thread.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._map: dict[int, Any] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._dispatcher = _Dispatcher(scoring)
        self._dispatcher.set_thread_count(threads)
        adjustments = Adjustments(
            threads=threads,
            connection_limit=limits.max_connections,
            backlog=BACKLOG,
            channel_timeout=limits.idle_timeout_seconds,
            cleanup_interval=_TICK_SECONDS,
            channel_request_lookahead=1,
            max_request_header_size=MAX_HEADER_BYTES,
            # It refuses bodies of this very length too.
            max_request_body_size=limits.max_body_bytes + 1,
            recv_bytes=_RECEIVE_BYTES,
            inbuf_overflow=_MEMORY_BUFFER_BYTES,
            outbuf_overflow=_MEMORY_BUFFER_BYTES,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._server = _Server(
            ScoringApp(app, scoring) if scoring else app,
            self._map,
            _start=False,
            dispatcher=self._dispatcher,
            _sock=listener,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self._server.header_timeout_seconds = limits.header_timeout_seconds

    @property
    def port(self) -> int:
        """The port that is really listened on."""
        return int(self._server.effective_port)

    def start(self) -> None:
        """Begin to listen and to answer."""
        self._server.accept_connections()
        self._thread.start()

    def announce_stop(self) -> None:
        """Close each connection after its next answer, so that clients move on."""
        self._server.stopping = True

    def stop(self, timeout_seconds: float) -> None:
        """Send what is still to be sent, then close everything."""
        deadline = time.monotonic() + timeout_seconds
        self._stop.set()
        self._server.pull_trigger()
        self._thread.join(timeout_seconds + _TICK_SECONDS)
        self._server.accepting = False
        while self._busy() and time.monotonic() < deadline:
            self._turn(0.05)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._map, ignore_all=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._turn(_TICK_SECONDS)

    def _turn(self, timeout_seconds: float) -> None:
        if self._dispatcher.has_small:
            timeout_seconds = 0.0
        wasyncore.loop(timeout_seconds, use_poll=True, map=self._map, count=1)
        self._dispatcher.answer_quick()

    def _busy(self) -> bool:
        return any(connection.busy for connection in self._server.active_channels.values())
