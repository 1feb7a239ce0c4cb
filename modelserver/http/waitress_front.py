"""A Waitress listener with our limits and a stop that loses no answer.

Waitress facts behind the code (3.0.2): a body over `inbuf_overflow` is spooled to a file, which
fails on a read-only root; the task queue is unbounded; every request is handed to a thread, which
costs more than a small model; it never stops by itself on SIGTERM.
"""

import logging
import socket
import threading
import time
from typing import Any

from waitress import server, wasyncore
from waitress.adjustments import Adjustments

from modelserver.http.limits import BACKLOG, LINGER_SECONDS, MAX_HEADER_BYTES, Limits
from modelserver.http.waitress_connection import Connection
from modelserver.http.waitress_turns import Turns
from modelserver.scoring import Scoring
from modelserver.wsgi import ScoringApp, Wsgi

_TICK_SECONDS = 1.0  # how often an idle loop wakes, to close silent connections
_RECEIVE_BYTES = 64 * 1024  # measured: 30 % less CPU on a 600 KB body than the default 8 KiB
_MEMORY_BUFFER_BYTES = 2**31 - 1  # never spill to disk; bodies are bounded by max_body_bytes


class _Server(server.TcpWSGIServer):
    """A listening socket."""

    channel_class = Connection
    stopping = False
    header_timeout_seconds = 0.0
    loop_thread = 0  # its identity

    def pull_trigger(self) -> None:
        """Wake the loop, unless it is the loop itself that asks."""
        if threading.get_ident() != self.loop_thread:
            super().pull_trigger()

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
        self._turns = Turns(scoring)
        self._turns.set_thread_count(threads)
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
            dispatcher=self._turns,
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
        self._server.loop_thread = threading.get_ident()
        while not self._stop.is_set():
            self._turn(_TICK_SECONDS)

    def _turn(self, timeout_seconds: float) -> None:
        patience = self._turns.patience_seconds(timeout_seconds)
        wasyncore.loop(patience, use_poll=True, map=self._map, count=1)
        self._turns.answer_quick()

    def _busy(self) -> bool:
        return any(connection.busy for connection in self._server.active_channels.values())
