"""Connections of the Waitress front, mended where Waitress breaks HTTP or waits for ever.

Facts behind the code (3.0.2): errors it finds itself are plain text; chunks win silently over a
stated length; silence is bounded, but not a header that trickles in; HEAD gets the body that the
application gave; who asks before sending too much is told to go on; a refused client that is still
sending loses the refusal to a reset.
"""

import contextlib
import socket
import time
from collections.abc import Mapping
from typing import Any

from waitress import channel, parser, task

from modelserver.exchange import Pending
from modelserver.http.refusals import refuse
from modelserver.http.response import Response, http_date
from modelserver.replies import Reply, request_id


class _Parser(parser.HTTPRequestParser):
    """Refuses requests whose end two readers could see in two places."""

    outcome: Reply | Pending | None = None
    """What a request that the loop has begun is answered with."""
    identity = ""
    """Its id."""

    def received(self, data: bytes) -> int:
        """Take bytes; a refused client is not told to go on."""
        taken: int = super().received(data)
        if self.error:
            self.expect_continue = False
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers."""
        super().parse_header(header_plus)
        if self.version not in ("1.0", "1.1"):
            raise parser.ParsingError("expected HTTP/1.0 or HTTP/1.1")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise parser.ParsingError("both Content-Length and Transfer-Encoding are given")
        if "TRANSFER_ENCODING" in self.headers:
            raise parser.ParsingError("Transfer-Encoding needs HTTP/1.1")


class WaitressHeaders:
    """The headers of a request that Waitress has parsed, by their usual names in lower case.

    Args:
        parsed: by the name in upper case, with underscores.
    """

    __slots__ = ("_parsed",)

    def __init__(self, parsed: Mapping[str, str]) -> None:
        self._parsed = parsed

    def get(self, name: str, default: Any = None, /) -> Any:
        """The value of a header, or the default."""
        return self._parsed.get(name.upper().replace("-", "_"), default)


class _ScoringTask(task.WSGITask):
    """Answers one request."""

    def execute(self) -> None:
        """Send the answer to a request that the loop has begun, or have the application answer."""
        # Taken away, because it knows the request: the circle would be left to the collector.
        outcome, self.request.outcome = self.request.outcome, None
        if outcome is None:
            super().execute()
            return
        reply = outcome if isinstance(outcome, Reply) else outcome.wait()
        self.complete = self.wrote_header = True  # nobody calls start_response
        self.close_on_finish = not self._keeps_alive()
        self.channel.write_soon(
            Response.of(reply, self.request.identity).to_bytes(
                head_only=self.request.command == "HEAD",
                keep_alive=not self.close_on_finish,
                version=self.version,
                date=http_date(int(self.start_time)),
            )
        )

    def _keeps_alive(self) -> bool:
        """Whether the connection can be used again."""
        connection = self.request.headers.get("CONNECTION", "").lower()
        wanted = connection != "close" if self.version == "1.1" else connection == "keep-alive"
        return wanted and not self.channel.server.stopping

    def build_response_header(self) -> bytes:
        """Tell clients of a stopping server to open their next connection elsewhere."""
        if self.channel.server.stopping:
            self.set_close_on_finish()
        header: bytes = super().build_response_header()
        return header

    def write(self, data: bytes) -> None:
        """Send the headers alone when they are all that was asked for, else all at once."""
        if self.request.command == "HEAD":
            data = b""
        if not self.wrote_header and data and len(data) == self.content_length and self.has_body:
            self.content_bytes_written = len(data)
            data, self.wrote_header = self.build_response_header() + data, True
            self.channel.write_soon(data)
            return
        super().write(data)


class _JsonErrorTask(task.ErrorTask):
    """Answers what Waitress itself refuses (size, framing) in the shape of all other errors."""

    def execute(self) -> None:
        error = self.request.error
        identity = request_id()
        reply = refuse(error.code, error.body, identity)
        self.status = reply.status_line
        self.response_headers = reply.header_list(identity)
        self.content_length = len(reply.body)
        self.set_close_on_finish()
        self.channel.refused = True
        self.write(reply.body)


class Connection(channel.HTTPChannel):
    """One connection."""

    task_class = _ScoringTask
    error_task_class = _JsonErrorTask
    parser_class = _Parser
    header_began = 0.0  # the `time.time()` of the first byte of an incomplete header
    close_when_flushed = False
    refused = False  # an error is the last answer
    lingers_since = 0.0  # the `time.time()` when that was sent

    def handle_write(self) -> None:
        """Send; after an error, keep the connection until the client had time to read it."""
        if not (self.refused and self.close_when_flushed):
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if not self.total_outbufs_len and not self.will_close:
            self.close_when_flushed = False
            self.lingers_since = time.time()
            with contextlib.suppress(OSError):  # the client left already
                self.socket.shutdown(socket.SHUT_WR)

    def readable(self) -> bool:
        """Whether more can be taken."""
        return bool(self.lingers_since or super().readable())

    def received(self, data: bytes) -> bool:
        """Take bytes and note since when a header is incomplete."""
        if self.lingers_since:
            return False
        taken: bool = super().received(data)
        if self.request is None or self.request.headers_finished:
            self.header_began = 0.0
        elif not self.header_began:
            self.header_began = self.last_activity
        return taken

    @property
    def busy(self) -> bool:
        """Whether a request is being answered or an answer is not yet sent."""
        return bool(self.requests or self.total_outbufs_len)
