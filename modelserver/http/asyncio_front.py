"""An asyncio listener: one thread reads, scores small work and answers; a pool does the rest."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from modelserver.cpu import available_cpus
from modelserver.http.connection import Cancel, Connection, Respond
from modelserver.http.event_loop import new_event_loop
from modelserver.http.limits import BACKLOG, Limits
from modelserver.http.request_reader import Request
from modelserver.http.response import Response, http_date
from modelserver.http.turns import Turns
from modelserver.http.wsgi import call_application
from modelserver.scoring import Scoring
from modelserver.wsgi import Wsgi

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0  # how often connections are looked over
_CLOSING_TICK_SECONDS = 0.05
_CLOSING_STEPS = 3
_ACCEPTED_AT_A_TIME = 64
_SPARE_THREADS = 4


class AsyncioFront:
    """Serves one application on one port, in an event loop with a thread of its own.

    Args:
        app: the WSGI application for everything but scoring.
        scoring: answers the scoring routes; None where there are none.
        listener: a bound socket, which `start` makes listen.
        threads: how many requests are answered at a time outside of the loop, at most; more than
            there are processors only wait for each other.
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
        self.limits = limits
        self.loop = new_event_loop()
        self.stopping = False
        self.date = http_date(int(time.time()))
        self._app = app
        self._listener = listener
        self._host, self._port = listener.getsockname()[:2]
        self._accepting = False
        self._closing = False
        self._open = 0  # connections, those that are being taken over included
        self._connections: set[Connection] = set()
        self._adopting: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(
            min(threads, available_cpus() + _SPARE_THREADS), thread_name_prefix="http-work"
        )
        self._scoring = scoring
        self._turns = Turns(scoring, self.loop, self._pool) if scoring else None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that is really listened on."""
        return int(self._port)

    def start(self) -> None:
        """Begin to listen and to answer."""
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._thread.start()

    def announce_stop(self) -> None:
        """Close each connection after its next answer, so that clients move on."""
        self.stopping = True

    def stop(self, timeout_seconds: float) -> None:
        """Send what is still to be sent, then close everything."""
        asyncio.run_coroutine_threadsafe(self._close(timeout_seconds), self.loop)
        self._thread.join(timeout_seconds + _TICK_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # What connections call, in the loop.

    def handle(self, request: Request, respond: Respond) -> Cancel:
        """Answer a scoring request in turns, another one in the pool."""
        if self._scoring and self._turns:
            found = self._scoring.find(request.path)
            if found:
                return self._turns.take(found, request, respond)
        future: Future[Response] = self._pool.submit(
            call_application, self._app, request, self._host, self._port
        )
        future.add_done_callback(lambda _: self._in_loop(lambda: _pass_on(future, respond)))
        return future.cancel

    def refuse(self, head: Request) -> Response | None:
        """Refuse a scoring request by its head alone."""
        if self._scoring and self._turns:
            found = self._scoring.find(head.path)
            if found:
                return self._turns.refuse(found, head)
        return None

    def opened(self, connection: Connection) -> None:
        """Count a connection."""
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """Count it no more, and accept those that waited for its place."""
        self._connections.discard(connection)
        self._open -= 1
        self._accept_if_room()

    # What runs in the loop.

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._accept_if_room()
        self._look_over()
        try:
            self.loop.run_forever()
        finally:
            self._listener.close()
            self.loop.close()

    def _in_loop(self, call: Callable[[], object]) -> None:
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed, and with it every connection
            _log.debug("an answer came after the end")

    def _accept_if_room(self) -> None:
        room = self._open < self.limits.max_connections
        wanted = room and not self._closing
        if wanted and not self._accepting:
            self.loop.add_reader(self._listener, self._accept)
            self._accepting = True
        elif self._accepting and not wanted:
            self._pause_accepting()

    def _accept(self) -> None:
        """Take connections that wait in the kernel."""
        for _ in range(_ACCEPTED_AT_A_TIME):
            if not self._accepting:
                return
            try:
                connected, _ = self._listener.accept()
            except BlockingIOError:  # none is left
                return
            except OSError as error:
                # Most often no file descriptor is left; trying again at once would spin.
                _log.warning("cannot accept connections: %s", error)
                self._pause_accepting()
                return
            self._open += 1
            self._accept_if_room()
            task = self.loop.create_task(self._adopt(connected))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)

    async def _adopt(self, connected: socket.socket) -> None:
        try:
            await self.loop.connect_accepted_socket(lambda: Connection(self), connected)
        except OSError:  # the client left already
            connected.close()
            self._open -= 1

    def _pause_accepting(self) -> None:
        self.loop.remove_reader(self._listener)
        self._accepting = False

    def _look_over(self) -> None:
        """Once each tick: close what is overdue."""
        self.loop.call_later(_TICK_SECONDS, self._look_over)  # first: no fault ends the ticks
        self.date = http_date(int(time.time()))
        now = self.loop.time()
        for connection in tuple(self._connections):
            connection.close_if_overdue(now)
        self._accept_if_room()

    async def _close(self, timeout_seconds: float) -> None:
        self.stopping = self._closing = True
        self._accept_if_room()
        deadline = self.loop.time() + timeout_seconds
        while self.loop.time() < deadline and any(each.busy for each in self._connections):
            await asyncio.sleep(_CLOSING_TICK_SECONDS)
        for connection in tuple(self._connections):
            connection.close()
        while self._connections and self.loop.time() < deadline:
            await asyncio.sleep(0)
        # Also past the deadline: a connection learns that it is closed, drops its request, and that
        # is recorded, one after the other.
        for _ in range(_CLOSING_STEPS):
            await asyncio.sleep(0)
        self.loop.stop()


def _pass_on(future: Future[Response], respond: Respond) -> None:
    if not future.cancelled():
        respond(future.result())
