"""What the asyncio front sends back, and its bytes."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from modelserver.http.refusals import refuse
from modelserver.replies import Reply, request_id

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WITHOUT_BODY = ("1", "204", "304")


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response.

    Args:
        status_line: status and reason.
        headers: name and value, Content-Length included.
        body: what follows them.
    """

    status_line: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, reply: Reply, identity: str) -> Self:
        """The response that a reply is sent as."""
        return cls(reply.status_line, reply.header_list(identity), reply.body)

    @classmethod
    def refusing(cls, status: int, message: str) -> Self:
        """A response to what does not reach the application."""
        identity = request_id()
        return cls.of(refuse(status, message, identity), identity)

    def to_bytes(self, *, head_only: bool, keep_alive: bool, version: str, date: str) -> bytes:
        """The bytes to send.

        Args:
            head_only: whether the request was a HEAD.
            keep_alive: whether the connection stays open.
            version: HTTP version of the request; 1.0 must be told that it stays open.
            date: the Date header.
        """
        connection = ""
        if not keep_alive:
            connection = "Connection: close\r\n"
        elif version == "1.0":
            connection = "Connection: Keep-Alive\r\n"
        lines = "".join([f"{name}: {value}\r\n" for name, value in self.headers])
        head = f"HTTP/1.1 {self.status_line}\r\n{lines}{connection}Date: {date}\r\n\r\n"
        if head_only or self.status_line.startswith(_WITHOUT_BODY):
            return head.encode("latin-1")
        return head.encode("latin-1") + self.body


@functools.lru_cache(maxsize=1)
def http_date(seconds: int) -> str:
    """Seconds since the epoch as HTTP writes them, whatever the locale."""
    now = time.gmtime(seconds)
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02d} {_MONTHS[now.tm_mon - 1]} {now.tm_year} "
        f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d} GMT"
    )
