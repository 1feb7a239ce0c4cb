"""Turns the bytes of one connection into requests; the only module that knows httptools."""

import functools
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import httptools

from modelserver.http.limits import MAX_HEADER_BYTES

MOST_PIPELINED = 32
"""Requests taken from one piece of data; the connection closes after the last of them."""

_LINE_BYTES = 4  # what stands around the name and value of a header
_UNTRUSTED = ("forwarded", "x-forwarded-")  # nobody vouches for these; Waitress drops them too
_VERSIONS = ("1.0", "1.1")


@dataclass(slots=True)
class Request:
    """One whole request.

    Args:
        method: as sent.
        path: without escapes, as Latin-1, which is how WSGI wants it.
        query: as sent.
        version: "1.0" or "1.1".
        headers: by lower-case name; those that came several times are joined by commas.
        keep_alive: whether the client takes another answer on this connection.
        body: the whole body.
    """

    method: str
    path: str
    query: str
    version: str
    headers: dict[str, str]
    keep_alive: bool
    body: bytes = b""

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for leave to send the body."""
        expect = self.headers.get("expect")
        return bool(expect and expect.lower() == "100-continue" and self.version == "1.1")


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is not answered by the application; nothing after it can be read."""

    status: int
    message: str


@dataclass(slots=True)
class _Message:
    """The request that is being read."""

    headers: dict[str, str] = field(default_factory=dict)
    request: Request | None = None  # once the header is complete
    url: bytes = b""
    header_bytes: int = 0
    unfinished_bytes: int = 0
    framing: bytes = b""  # the header that says where the body ends; empty without a body
    body: bytes | bytearray = b""


class RequestReader:
    """Reads requests; keeps what is incomplete until more comes.

    llhttp, which does the parsing, refuses by itself what two readers could understand in two
    ways: Content-Length beside chunks, several lengths, folded headers, bare line feeds.

    Args:
        max_body_bytes: the longest body.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._message: _Message | None = None
        self._found: list[Request | Refused] = []
        self._ended = False
        self._resuming = False  # while the parser is told of a body that it gave up
        self._new_head: Request | None = None

    @property
    def in_header(self) -> bool:
        """Whether a request line or headers have begun and are not complete."""
        return self._message is not None and self._message.request is None

    def take_head(self) -> Request | None:
        """A request whose header is complete and whose body is not; each is returned once."""
        head, self._new_head = self._new_head, None
        return head

    def feed(self, data: bytes) -> list[Request | Refused]:
        """Take bytes; returns the requests that they complete, in order.

        After a Refused, and after MOST_PIPELINED requests, everything that comes is ignored.
        """
        found: list[Request | Refused] = []
        self._found = found
        before, length = self._message, len(data)
        while data and not self._ended:
            data = self._parse(data)
        message = self._message
        if message and message is before and message.request is None:
            # The parser keeps what it has of a header line, so that no callback counts it.
            message.unfinished_bytes += length
            if message.unfinished_bytes > MAX_HEADER_BYTES:
                self._refuse_header()
        return found

    def _parse(self, data: bytes) -> bytes:
        """Parse bytes; returns those that are still to be parsed."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay_with_http()
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(400, str(error) or "not an HTTP request")
        return b""

    def _stay_with_http(self) -> None:
        """Go on as if no other protocol had been offered: not to take the offer is to ignore it.

        The parser does not read the body of such a request (Java's own client offers h2c with
        every first POST), so a new one is told where that body ends.
        """
        self._parser = httptools.HttpRequestParser(self)
        if self._message:
            self._resuming = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + self._message.framing + b"\r\n\r\n")
            self._resuming = False

    def _refuse(self, status: int, message: str) -> None:
        if not self._ended:
            self._ended = True
            self._message = self._new_head = None
            self._found.append(Refused(status, message))

    def _refuse_header(self) -> None:
        self._refuse(431, f"the headers exceed {MAX_HEADER_BYTES} bytes")

    # What httptools calls while it parses.

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self._resuming:
            self._message = None if self._ended else _Message()

    def on_url(self, url: bytes) -> None:
        """A part of the target came."""
        if self._message and not self._resuming:
            self._message.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header came, or a trailer of a body in chunks."""
        message = self._message
        if message is None or self._resuming:
            return
        message.header_bytes += len(name) + len(value) + _LINE_BYTES
        if message.header_bytes > MAX_HEADER_BYTES:
            self._refuse_header()
            return
        key = _header_name(name)
        if not key or message.request:
            return
        text = value.decode("latin-1")
        headers = message.headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        """All headers came."""
        message = self._message
        if message is None or self._resuming:
            return
        headers = message.headers
        version = self._parser.get_http_version()
        refused = self._find_fault(message, version)
        if refused:
            self._refuse(refused.status, refused.message)
            return
        if headers.pop("transfer-encoding", ""):
            message.framing = b"Transfer-Encoding: chunked"
        elif headers.get("content-length", "0") != "0":
            message.framing = b"Content-Length: " + headers["content-length"].encode()
        message.request = self._new_head = Request(
            self._parser.get_method().decode("latin-1"),
            *_split(message.url),
            version,
            headers,
            self._parser.should_keep_alive(),
        )

    def _find_fault(self, message: _Message, version: str) -> Refused | None:
        """What is wrong with a complete header, if anything."""
        coding = message.headers.get("transfer-encoding", "")
        if version not in _VERSIONS:
            return Refused(400, f"expected HTTP/1.0 or HTTP/1.1, got HTTP/{version}")
        if coding and version == "1.0":
            return Refused(400, "Transfer-Encoding needs HTTP/1.1")
        if coding and coding.strip().lower() != "chunked":
            return Refused(501, "Transfer-Encoding: expected chunked")
        if len(message.url) + message.header_bytes > MAX_HEADER_BYTES:
            return Refused(431, f"the headers exceed {MAX_HEADER_BYTES} bytes")
        if int(message.headers.get("content-length", 0)) > self._max_body_bytes:
            return Refused(413, f"exceeds max_body of {self._max_body_bytes}")
        return None

    def on_body(self, data: bytes) -> None:
        """A part of the body came."""
        message = self._message
        if message is None:
            return
        if len(message.body) + len(data) > self._max_body_bytes:
            self._refuse(413, f"exceeds max_body of {self._max_body_bytes}")
        elif not message.body:
            message.body = data
        else:
            # Not a list of parts: a hostile client sends millions of tiny ones.
            if isinstance(message.body, bytes):
                message.body = bytearray(message.body)
            message.body += data

    def on_message_complete(self) -> None:
        """The request is whole."""
        message = self._message
        if message is None or message.request is None or self._resuming:
            return
        if message.framing and self._parser.should_upgrade():
            return  # the body is still to come
        self._message = self._new_head = None
        request = message.request
        if message.framing:
            request.body = bytes(message.body)
            request.headers["content-length"] = str(len(request.body))
        if len(self._found) + 1 == MOST_PIPELINED:
            self._ended, request.keep_alive = True, False
        self._found.append(request)


@functools.lru_cache(maxsize=1024)
def _header_name(name: bytes) -> str:
    """The name of a header; empty for one that must not reach the application."""
    text = name.decode("latin-1").lower()
    # With underscores a header could pass for another one once WSGI has renamed it.
    return "" if "_" in text or text.startswith(_UNTRUSTED) else text


def _split(url: bytes) -> tuple[str, str]:
    """The path, unquoted, and the query of a target."""
    if not url.startswith(b"/"):
        return _split_absolute(url)
    path, _, query = url.partition(b"#")[0].partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("latin-1"), query.decode("latin-1")


def _split_absolute(url: bytes) -> tuple[str, str]:
    """The same for what a proxy gets: http://host/path, or * for the server itself."""
    try:
        parts = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return url.decode("latin-1"), ""
    path = unquote_to_bytes(parts.path or b"/")
    return path.decode("latin-1"), (parts.query or b"").decode("latin-1")
