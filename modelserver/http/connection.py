"""One connection of the asyncio front: requests in, answers out in the same order."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from modelserver.http.limits import LINGER_SECONDS, Limits
from modelserver.http.request_reader import Refused, Request, RequestReader
from modelserver.http.response import Response

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Respond = Callable[[Response], None]
Cancel = Callable[[], object]


class Office(Protocol):
    """What a connection needs of the front that it belongs to."""

    limits: Limits
    loop: asyncio.AbstractEventLoop
    stopping: bool
    date: str

    def handle(self, request: Request, respond: Respond) -> Cancel:
        """Have a request answered; `respond` is called once, in the loop, and not at once.

        Returns:
            What to call when nobody waits for the answer any more.
        """

    def refuse(self, head: Request) -> Response | None:
        """Refuse a request whose body has not arrived yet, if it will be refused anyway."""

    def opened(self, connection: "Connection") -> None:
        """Note that a connection is open."""

    def closed(self, connection: "Connection") -> None:
        """Note that it is closed."""


class Connection(asyncio.Protocol):
    """Reads requests, has them answered one after the other, closes when time is up.

    Args:
        office: the front.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._reader = RequestReader(office.limits.max_body_bytes)
        self._waiting: deque[Request | Refused] = deque()
        self._current: Request | None = None
        self._cancel: Cancel | None = None
        self._closing = False
        self._deadline = math.inf
        self._unsent = 0
        self._writable = True

    @property
    def busy(self) -> bool:
        """Whether a request is being answered or an answer is not yet sent."""
        sending = self._transport.get_write_buffer_size() > 0
        return self._current is not None or bool(self._waiting) or sending

    def close(self) -> None:
        """Close when everything is sent."""
        self._transport.close()

    def close_if_overdue(self, now: float) -> None:
        """Close when the client keeps silent for too long, or does not take its answer.

        Args:
            now: the time of the loop.
        """
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent = unsent
            self._deadline = max(self._deadline, now + self._office.limits.idle_timeout_seconds)
        if now > self._deadline:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast(asyncio.Transport, transport)
        self._office.opened(self)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        if self._closing:
            return
        was_in_header = self._reader.in_header
        self._waiting.extend(self._reader.feed(data))
        if self._current is not None or self._waiting:
            self._next()
        elif not (was_in_header and self._reader.in_header):
            self._wait()
        if self._waiting:
            # No more is read than one piece of data ahead of the answers.
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Take the end of the client's stream for its departure, as proxies do."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the work that nobody waits for."""
        self._closing = True
        self._waiting.clear()
        self._current = None
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        self._office.closed(self)

    def pause_writing(self) -> None:
        """Answer no further request while the client does not read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writable = True
        self._next()

    def _next(self) -> None:
        """Have the next request answered, if there is one and nothing is in its way."""
        if self._closing or self._current is not None or not self._writable:
            return
        if not self._waiting:
            self._transport.resume_reading()
            self._wait()
            return
        item = self._waiting.popleft()
        if isinstance(item, Refused):
            self._send_last(Response.refusing(item.status, item.message))
            return
        self._current = item
        self._deadline = math.inf
        self._cancel = self._office.handle(item, self._respond)

    def _respond(self, response: Response) -> None:
        """Send the answer to the current request."""
        request, self._current, self._cancel = self._current, None, None
        if request is None or self._transport.is_closing():  # the client left
            return
        keep_alive = request.keep_alive and not self._office.stopping
        self._transport.write(
            response.to_bytes(
                head_only=request.method == "HEAD",
                keep_alive=keep_alive,
                version=request.version,
                date=self._office.date,
            )
        )
        self._deadline = self._office.loop.time() + self._office.limits.idle_timeout_seconds
        if keep_alive:
            self._next()
        else:
            self._close_gently()

    def _send_last(self, response: Response) -> None:
        """Answer what was not read to its end, and read nothing more."""
        if self._transport.is_closing():
            return
        self._transport.write(
            response.to_bytes(
                head_only=False, keep_alive=False, version="1.1", date=self._office.date
            )
        )
        self._close_gently()

    def _close_gently(self) -> None:
        """Send what is written and the end of the stream; the client closes, or time does."""
        self._closing = True
        self._waiting.clear()
        self._transport.resume_reading()
        self._transport.write_eof()
        self._deadline = self._office.loop.time() + LINGER_SECONDS

    def _wait(self) -> None:
        """Set the deadline for the client's next bytes; refuse or ask for a body that is due."""
        head = self._reader.take_head()
        if head is not None:
            refusal = self._office.refuse(head)
            if refusal is not None:
                self._send_last(refusal)
                return
            if head.expects_continue:
                self._transport.write(_CONTINUE)
        limits = self._office.limits
        in_header = self._reader.in_header
        seconds = limits.header_timeout_seconds if in_header else limits.idle_timeout_seconds
        self._deadline = self._office.loop.time() + seconds
