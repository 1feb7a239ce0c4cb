"""What both HTTP fronts promise, over real sockets."""

import json
import threading
import time
from collections.abc import Callable

import pytest

from tests.modelserver.http.conftest import LARGE, MAX_BODY_BYTES, Running
from tests.modelserver.malformed_http import MALFORMED

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    """The bytes of a POST."""
    length = b"Content-Length: %d" % len(body)
    lines = b"\r\n".join([b"POST %s HTTP/1.1" % path, b"Host: x", length, *headers])
    return lines + b"\r\n\r\n" + body


# What reaches the application


def test_request_reaches_the_application(front: Running) -> None:
    """The application sees method, path without escapes, query, headers and body."""
    answer = front.ask(post(b"/a%20b/%C3%A9?x=1%202", b"hello", b"X-Thing: 1", b"x-thing: 2"))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "x/y"
    seen = answer.json
    expected = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b/é".encode().decode("latin-1"),
        "QUERY_STRING": "x=1%202",
        "HTTP_X_THING": "1, 2",
        "CONTENT_LENGTH": "5",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "body": "hello",
    }
    assert {name: seen[name] for name in expected} == expected


def test_headers_that_nobody_vouches_for(front: Running) -> None:
    """Proxy headers, and names that another header's could be mistaken for, are dropped."""
    answer = front.ask(
        post(b"/", b"", b"X-Forwarded-For: 1.2.3.4", b"Forwarded: for=1", b"X_Request_Id: evil")
    )
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REQUEST_ID"} & answer.json.keys()


def test_absolute_target(front: Running) -> None:
    """A target as proxies get it is understood by its path."""
    seen = front.ask(b"GET http://x:80/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n").json
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/a", "b=c")


def test_body_in_chunks(front: Running) -> None:
    """A body in chunks reaches the application whole, with its length, without the trailer."""
    answer = front.ask(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    seen = answer.json
    assert (seen["body"], seen["CONTENT_LENGTH"]) == ("hello world", "11")
    assert "HTTP_TRANSFER_ENCODING" not in seen
    assert "HTTP_X_TRAILER" not in seen


def test_body_in_pieces(front: Running) -> None:
    """It does not matter how the network cuts a request."""
    with front.connect() as client:
        for byte in post(b"/", b"hello world"):
            client.send(bytes([byte]))
        assert client.read().json["body"] == "hello world"


def test_offer_of_another_protocol(front: Running) -> None:
    """A client that offers HTTP/2 beside its request (Java's does) is answered in HTTP/1.1."""
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    with front.connect() as client:
        client.send(post(b"/", b"hello", *offer))
        assert client.read().json["body"] == "hello"
        client.send(post(b"/", b"again"))
        assert client.read().json["body"] == "again"


def test_expect_continue(front: Running) -> None:
    """A client that asks first is told to go on, then answered."""
    with front.connect() as client:
        head, body = post(b"/", b"hello", b"Expect: 100-continue").split(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        assert client.line().startswith(b"HTTP/1.1 100 ")
        assert client.line() == b"\r\n"
        client.send(body)
        assert client.read().json["body"] == "hello"


def test_failing_application(front: Running) -> None:
    """What the application raises is answered in our shape, without its text."""
    answer = front.ask(b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 500
    assert answer.json["code"] == "internal_error"
    assert b"secret" not in answer.body


# What the answer looks like


def test_every_answer_has_a_date(front: Running) -> None:
    """HTTP asks servers with a clock for the date of an answer; ours name no product."""
    headers = front.ask(GET).headers
    assert time.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    assert "Server" not in headers


def test_head(front: Running) -> None:
    """HEAD gets the headers of GET and no body, and the connection goes on."""
    with front.connect() as client:
        client.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = client.read(head=True)
        assert (answer.status, int(answer.headers["Content-Length"]) > 0) == (200, True)
        client.send(GET)
        assert client.read().json["REQUEST_METHOD"] == "GET"


# Connections


def test_keep_alive(front: Running) -> None:
    """One connection takes many requests."""
    with front.connect() as client:
        for number in range(20):
            client.send(post(b"/", b"%d" % number))
            assert client.read().json["body"] == str(number)


def test_close_when_asked(front: Running) -> None:
    """A client that wants no further answer gets the end of the stream."""
    with front.connect() as client:
        client.send(post(b"/", b"x", b"Connection: close"))
        assert client.read().headers["Connection"] == "close"
        assert client.at_end()


@pytest.mark.parametrize(("connection", "stays"), [(b"", False), (b"keep-alive", True)])
def test_http_1_0(front: Running, connection: bytes, stays: bool) -> None:
    """HTTP/1.0 connections close after the answer unless the client asks otherwise."""
    with front.connect() as client:
        client.send(b"GET /a HTTP/1.0\r\nConnection: " + connection + b"\r\n\r\n")
        answer = client.read()
        assert answer.json["SERVER_PROTOCOL"] == "HTTP/1.0"
        assert answer.headers["Connection"].lower() == ("keep-alive" if stays else "close")
        if stays:
            client.send(GET)
            assert client.read().status == 200
        else:
            assert client.at_end()


def test_pipelining(front: Running) -> None:
    """Requests that come together are answered in order."""
    with front.connect() as client:
        client.send(b"".join(post(b"/", b"%d" % number) for number in range(20)))
        assert [client.read().json["body"] for _ in range(20)] == [str(n) for n in range(20)]


def test_pipelining_is_bounded(start: Callable[..., Running]) -> None:
    """While one request is answered, the server takes no more than a bounded lot of others."""
    running = start(threads=1)
    with running.connect(timeout=2) as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert running.app.entered.acquire(timeout=30)
        # Much more than the kernel's own buffers take.
        with pytest.raises(TimeoutError):
            client.send(GET * 2_000_000)


def test_connection_limit(start: Callable[..., Running]) -> None:
    """Connections beyond the limit wait until others close, and are answered then."""
    running = start(max_connections=10)
    clients = [running.connect() for _ in range(8)]
    for client in clients:
        client.send(GET)
        assert client.read().status == 200
    late = [running.connect() for _ in range(8)]
    for client in late:
        client.send(GET)
    for client in clients:
        with client:
            pass
    for client in late:
        with client:
            assert client.read().status == 200


# Limits on what comes


def assert_refused(front: Running, request: bytes, status: int, code: str) -> None:
    """The request is refused in our shape, does not reach the application, and ends the
    connection."""
    with front.connect() as client:
        client.send(request)
        answer = client.read()
        assert (answer.status, answer.json["code"]) == (status, code)
        assert list(answer.json) == ["error", "code", "request_id"]
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Request-Id"] == answer.json["request_id"]
        assert answer.headers["Connection"] == "close"
        assert client.at_end()
    assert front.app.calls == []


def test_longest_body(front: Running) -> None:
    """The limit itself is still allowed."""
    answer = front.ask(post(b"/", b"x" * MAX_BODY_BYTES))
    assert len(answer.json["body"]) == MAX_BODY_BYTES


def test_too_long_by_its_length(front: Running) -> None:
    """A body over the limit is refused by its stated length, before any of it was sent."""
    head = post(b"/", b"x" * (MAX_BODY_BYTES + 1)).partition(b"\r\n\r\n")[0]
    assert_refused(front, head + b"\r\n\r\n", 413, "too_large")


def test_too_long_and_expecting(front: Running) -> None:
    """A client that asks before it sends too much gets the refusal, not leave to go on."""
    head = (
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n"
    )
    assert_refused(front, head, 413, "too_large")


def test_too_long_in_chunks(front: Running) -> None:
    """A body in chunks is refused when it has passed the limit."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert_refused(front, head + chunk * 4, 413, "too_large")


def test_refusal_reaches_a_client_that_sends_first(front: Running) -> None:
    """A client that sends all of its large body before it reads gets the refusal, no reset."""
    with front.connect() as client:
        client.send(post(b"/", b"x" * 5_000_000))
        assert client.read().status == 413


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"X: " + b"x" * 70_000, id="one"),
        pytest.param(b"".join(b"X-%d: x\r\n" % n for n in range(10_000))[:-2], id="many"),
    ],
)
def test_long_headers(front: Running, header: bytes) -> None:
    """Headers over the limit are refused."""
    assert_refused(front, b"GET / HTTP/1.1\r\n" + header + b"\r\n\r\n", 431, "headers_too_large")


def test_header_without_end(front: Running) -> None:
    """A header that does not end is refused once it is over the limit."""
    assert_refused(front, b"GET / HTTP/1.1\r\nX: " + b"x" * 400_000, 431, "headers_too_large")


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_malformed(front: Running, request_: bytes) -> None:
    """What is no HTTP, or could be read in two ways, is refused and the connection ends."""
    assert_refused(front, request_, 400, "malformed_http")


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip", b"identity"])
def test_other_transfer_codings(front: Running, coding: bytes) -> None:
    """A transfer coding other than chunked is refused."""
    request = b"POST / HTTP/1.1\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n"
    assert_refused(front, request, 501, "unsupported_encoding")


def test_garbage_after_a_request(front: Running) -> None:
    """What came whole before the garbage is still answered."""
    with front.connect() as client:
        client.send(GET + b"garbage \x00\xff\r\n\r\n")
        assert client.read().status == 200
        assert client.read().status == 400
        assert client.at_end()


# Time


def test_silent_connection(start: Callable[..., Running]) -> None:
    """A connection without a request is closed after the idle timeout."""
    with start(idle_timeout_seconds=1).connect() as client:
        assert client.at_end()


def test_silent_between_requests(start: Callable[..., Running]) -> None:
    """So is one that had its answer."""
    with start(idle_timeout_seconds=1).connect() as client:
        client.send(GET)
        assert client.read().status == 200
        assert client.at_end()


def test_silent_within_a_body(start: Callable[..., Running]) -> None:
    """And one whose body stops coming."""
    running = start(idle_timeout_seconds=1)
    with running.connect() as client:
        client.send(post(b"/", b"hello")[:-1])
        assert client.at_end()
    assert running.app.calls == []


def test_header_that_trickles(start: Callable[..., Running]) -> None:
    """A header that is not complete in time ends the connection, although bytes keep coming."""
    with start(header_timeout_seconds=1).connect(timeout=0.2) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        while True:
            try:
                client.send(b"X: y\r\n")
                assert client.socket.recv(1) == b""
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break


def test_slow_application(start: Callable[..., Running]) -> None:
    """The client of a request that takes longer than the idle timeout still gets its answer."""
    running = start(idle_timeout_seconds=1, header_timeout_seconds=1)
    with running.connect() as client, running.connect() as silent:
        client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert silent.at_end()  # so the timeout has passed
        running.app.go_on.set()
        assert client.read().status == 200


def test_answer_that_is_not_taken(start: Callable[..., Running]) -> None:
    """A client that does not read its answer is let go, and its answer with it."""
    running = start(idle_timeout_seconds=1)
    with running.connect() as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.socket.recv(10) != b""
        with running.connect() as silent:
            assert silent.at_end()
        with running.connect() as silent:
            assert silent.at_end()
        received = 10
        while part := _receive(client.socket):
            received += len(part)
    assert received < LARGE


def _receive(connection: object) -> bytes:
    try:
        data: bytes = connection.recv(1 << 20)  # type: ignore[attr-defined]
    except ConnectionResetError:
        return b""
    return data


def test_answer_that_is_taken_slowly(start: Callable[..., Running]) -> None:
    """A client that goes on reading gets all of a large answer."""
    running = start(idle_timeout_seconds=1)
    with running.connect() as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(client.read().body) == LARGE


# The end


def test_stop_waits_for_answers(start: Callable[..., Running]) -> None:
    """A request that runs when the server stops is answered, and told to go elsewhere."""
    running = start()
    with running.connect() as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert running.app.entered.acquire(timeout=30)
        running.front.announce_stop()
        running.app.go_on.set()
        running.stop()
        answer = client.read()
        assert json.loads(answer.body)["PATH_INFO"] == "/wait"
        assert answer.headers["Connection"] == "close"
        assert client.at_end()


def test_announced_stop(front: Running) -> None:
    """Once a stop is announced, new connections are still answered, and closed after that."""
    with front.connect() as before:
        before.send(GET)
        assert "Connection" not in before.read().headers
        front.front.announce_stop()
        before.send(GET)
        assert before.read().headers["Connection"] == "close"
    assert front.ask(GET).headers["Connection"] == "close"


def test_stop_sends_what_is_written(start: Callable[..., Running]) -> None:
    """An answer that the client reads slowly is sent to its end before the server closes."""
    running = start()
    with running.connect() as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        first = client.line()
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        assert first.startswith(b"HTTP/1.1 200")
        rest = b"".join(iter(client.line, b""))
        stopping.join(30)
    assert len(rest.partition(b"\r\n\r\n")[2]) == LARGE


def test_stop_does_not_wait_for_the_idle(start: Callable[..., Running]) -> None:
    """Open connections without a request do not hold up the stop; new ones are refused."""
    running = start()
    with running.connect() as client:
        client.send(GET)
        assert client.read().status == 200
        running.stop(timeout_seconds=60)
        assert client.at_end()
    with pytest.raises(ConnectionError):
        running.connect().send(GET)
