"""Downloads: verified, bounded, resumed, retried, and never from where they must not come."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from modelserver.errors import FetchError
from modelserver.fetching.download import Source, download, sha256_of, shown
from tests.modelserver.fetching.conftest import FileServer, answer

CONTENT = bytes(range(256)) * 20
SHA256 = "9" * 64


class Desk:
    """One download into a folder, with what was said and how long it would have slept."""

    def __init__(self, folder: Path) -> None:
        self.part = folder / "part"
        self.said: list[str] = []
        self.slept: list[float] = []

    def run(self, url: str, sha256: str, **options: object) -> None:
        known = {"max_bytes": 10**6, "allow_http": True, "timeout_seconds": 5.0, **options}
        source = Source(url, sha256, **known)  # type: ignore[arg-type]
        download(source, self.part, self.said.append, self.slept.append)  # type: ignore[arg-type]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def cut(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Promise all and send the first half."""
    answer(handler, 200, content[: len(content) // 2], Content_Length=str(len(content)))


def cut_without_length(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send half of a body whose end only the end of the connection tells."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])


def cut_chunked(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send one chunk and no end."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n" % len(content) + content[:100])


def test_whole_file(server: FileServer, desk: Desk) -> None:
    """The file arrives as it is, in one request, uncompressed."""
    desk.run(*server.add("model.onnx", CONTENT))
    assert desk.part.read_bytes() == CONTENT
    assert [headers["accept-encoding"] for _, headers in server.requests] == ["identity"]
    assert desk.slept == []


def test_done_already_asks_nobody(server: FileServer, desk: Desk) -> None:
    """A part that is the whole file already needs no request."""
    url, sha256 = server.add("model.onnx", CONTENT)
    desk.part.write_bytes(CONTENT)
    desk.run(url, sha256)
    assert server.requests == []


def test_continues_where_it_stopped(server: FileServer, desk: Desk) -> None:
    """After a cut connection only the rest is asked for."""
    server.misbehave.append(cut)
    desk.run(*server.add("model.onnx", CONTENT))
    assert desk.part.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=2560-"]
    assert desk.said == [
        "attempt 1 of 5: the connection ended after 2560 of 5120 bytes; next in 1 s",
        "continuing at 2560 bytes",
    ]


def test_next_run_continues(server: FileServer, desk: Desk) -> None:
    """What a failed run has got is kept for the next one."""
    url, sha256 = server.add("model.onnx", CONTENT)
    server.misbehave.append(cut)
    with pytest.raises(FetchError, match=r"gave up after 1 attempt$"):
        desk.run(url, sha256, attempts=1)
    desk.run(url, sha256, attempts=1)
    assert desk.part.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=2560-"]


@pytest.mark.parametrize("short", [cut_chunked])
def test_chunks_that_end_early(short: object, server: FileServer, desk: Desk) -> None:
    """A body without a length is known to be short by its chunks."""
    server.misbehave.append(short)  # type: ignore[arg-type]
    desk.run(*server.add("model.onnx", CONTENT))
    assert desk.part.read_bytes() == CONTENT
    assert desk.slept == [1.0]


def test_unknown_length_is_judged_by_its_hash(server: FileServer, desk: Desk) -> None:
    """Half a body that says nothing of its length is refused, never kept."""
    server.misbehave.append(cut_without_length)
    with pytest.raises(FetchError, match="expected SHA-256"):
        desk.run(*server.add("model.onnx", CONTENT))
    assert not desk.part.exists()


def test_server_without_ranges(server: FileServer, desk: Desk) -> None:
    """A server that sends the whole again is taken at its word."""
    url, sha256 = server.add("model.onnx", CONTENT)
    desk.part.write_bytes(CONTENT[:100])
    server.misbehave.append(lambda handler, content: answer(handler, 200, content))
    desk.run(url, sha256)
    assert desk.part.read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (b"other" * 20, "the continued file has another SHA-256; starting again"),
        (CONTENT[::-1] + b"longer", "the server answered 416 Requested Range Not Satisfiable"),
    ],
    ids=["other", "longer"],
)
def test_what_was_kept_does_not_fit(
    kept: bytes, reason: str, server: FileServer, desk: Desk
) -> None:
    """Leftovers of another file cost one request and no more."""
    url, sha256 = server.add("model.onnx", CONTENT)
    desk.part.write_bytes(kept)
    desk.run(url, sha256)
    assert desk.part.read_bytes() == CONTENT
    assert desk.said[-1] == f"attempt 1 of 5: {reason}; next in 1 s"
    assert server.ranges == [f"bytes={len(kept)}-", None]


def test_continuation_at_another_place(server: FileServer, desk: Desk) -> None:
    """A range other than the one that was asked for is not written anywhere."""
    url, sha256 = server.add("model.onnx", CONTENT)
    desk.part.write_bytes(CONTENT[:100])
    server.misbehave.append(
        lambda handler, content: answer(handler, 206, content, Content_Range="bytes 0-9/5120")
    )
    desk.run(url, sha256)
    assert desk.part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(status: int, server: FileServer, desk: Desk) -> None:
    """Trouble of the server's is waited out, longer each time."""
    server.misbehave += [lambda handler, _: answer(handler, status)] * 3
    desk.run(*server.add("model.onnx", CONTENT))
    assert desk.slept == [1.0, 2.0, 4.0]


def test_retry_after_is_obeyed_within_bounds(server: FileServer, desk: Desk) -> None:
    """The server says when to come back, but not to come back next week."""
    for after in ("7", "604800", "Fri, 31 Dec 1999 23:59:59 GMT"):
        server.misbehave.append(
            lambda handler, _, after=after: answer(handler, 503, Retry_After=after)  # type: ignore[misc]
        )
    desk.run(*server.add("model.onnx", CONTENT))
    assert desk.slept == [7.0, 60.0, 4.0]


def test_gives_up(desk: Desk) -> None:
    """Nobody listens: as many attempts as asked for, then an error that says why."""
    with pytest.raises(FetchError, match=r"/m: .*refused.*; gave up after 3 attempts"):
        desk.run("http://127.0.0.1:1/m", SHA256, attempts=3)
    assert desk.slept == [1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_refusal_is_final(status: int, server: FileServer, desk: Desk) -> None:
    """What will not change is not tried again."""
    server.misbehave.append(lambda handler, _: answer(handler, status))
    with pytest.raises(FetchError, match=f"the server answered {status} "):
        desk.run(*server.add("model.onnx", CONTENT))
    assert len(server.requests) == 1


def test_wrong_content_is_refused(server: FileServer, desk: Desk) -> None:
    """Another content than the hash says is an error with both hashes, and is not kept."""
    url, sha256 = server.add("model.onnx", CONTENT)
    with pytest.raises(FetchError, match=f"expected SHA-256 {SHA256}, got {sha256}"):
        desk.run(url, SHA256)
    assert not desk.part.exists()


def endless(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send without saying how much."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)


@pytest.mark.parametrize("behave", [None, endless], ids=["stated", "unstated"])
def test_size_is_bounded(behave: object, server: FileServer, desk: Desk) -> None:
    """A file over the limit is refused by its stated length, or as soon as it gets there."""
    if behave:
        server.misbehave.append(behave)  # type: ignore[arg-type]
    with pytest.raises(FetchError, match="larger than 5119 bytes; --max-bytes sets the limit"):
        desk.run(*server.add("model.onnx", CONTENT), max_bytes=5119)
    assert not desk.part.exists() or desk.part.stat().st_size <= 5119


def test_size_at_the_limit(server: FileServer, desk: Desk) -> None:
    """A file of exactly the limit is taken."""
    desk.run(*server.add("model.onnx", CONTENT), max_bytes=5120)
    assert sha256_of(desk.part)


def test_redirect_is_followed(server: FileServer, desk: Desk) -> None:
    """A file that has moved is found, and what is kept of it continued there."""
    url, sha256 = server.add("model.onnx", CONTENT)
    server.add("here.onnx", b"")
    server.misbehave.append(lambda handler, _: answer(handler, 302, Location=url))
    desk.part.write_bytes(CONTENT[:100])
    desk.run(f"{server.url}/here.onnx", sha256)
    assert desk.part.read_bytes() == CONTENT
    assert server.ranges == ["bytes=100-", "bytes=100-"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http:///x"])
def test_redirect_elsewhere_is_refused(target: str, server: FileServer, desk: Desk) -> None:
    """A redirect leads only to addresses that could have been given."""
    server.misbehave.append(lambda handler, _: answer(handler, 302, Location=target))
    with pytest.raises(FetchError):
        desk.run(*server.add("model.onnx", CONTENT))
    assert not desk.part.exists()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://127.0.0.1/x", "http://127.0.0.1/x: expected an https:// address; --allow-http"),
        ("file:///etc/passwd", "expected an https:// address"),
        ("ftp://host/x", "expected an https:// address"),
        ("https:///x", "expected an https:// address"),
        ("model.onnx", "expected an https:// address"),
        ("", "expected an https:// address"),
        ("https://[host/x", "url: not an address"),
        ("https://host/a b", "no spaces or control characters"),
        ("https://host/a\r\nX-Y: z", "expected an https|no spaces or control"),
        ("https://host/", "ends in a file name"),
        ("https://host/..", "ends in a file name"),
        ("https://host/.hidden", "ends in a file name"),
        ("https://host/a%00", "ends in a file name"),
        ("https://host/a%5Cb", "ends in a file name"),
    ],
)
def test_addresses_that_are_refused(url: str, named: str) -> None:
    """An address that is not plain https to a file is refused before anything is asked."""
    with pytest.raises(FetchError, match=named):
        Source(url, SHA256, max_bytes=1)


@pytest.mark.parametrize("sha256", ["", "9" * 63, "9" * 65, "g" * 64, "sha256:" + "9" * 64])
def test_hashes_that_are_refused(sha256: str) -> None:
    """A hash is 64 hexadecimal digits and nothing else."""
    with pytest.raises(FetchError, match="sha256: expected 64 hexadecimal digits"):
        Source("https://host/x", sha256, max_bytes=1)


@pytest.mark.parametrize(
    "numbers", [{"max_bytes": 0}, {"attempts": 0}, {"timeout_seconds": 0.0}], ids=str
)
def test_numbers_that_are_refused(numbers: dict[str, float]) -> None:
    """Zero means nothing here."""
    with pytest.raises(FetchError, match="must be above zero"):
        Source("https://host/x", SHA256, **{"max_bytes": 1, **numbers})  # type: ignore[arg-type]


def test_hash_in_capitals(server: FileServer, desk: Desk) -> None:
    """Some tools write hashes in capitals."""
    url, sha256 = server.add("model.onnx", CONTENT)
    desk.run(url, sha256.upper())
    assert desk.part.read_bytes() == CONTENT


def test_secrets_of_an_address_are_not_shown() -> None:
    """A signature in the query and a password before the host stay out of every message."""
    assert shown("https://me:word@host:1/a/b.tar?sig=secret#x") == "https://host:1/a/b.tar"


@pytest.mark.parametrize("status", [403, 503])
def test_errors_do_not_show_secrets(status: int, server: FileServer, desk: Desk) -> None:
    """No error repeats the query of the address."""
    url, sha256 = server.add("model.onnx", CONTENT)
    server.misbehave += [lambda handler, _: answer(handler, status)] * 2
    with pytest.raises(FetchError) as caught:
        desk.run(f"{url}?sig=secret", sha256, attempts=2)
    assert "secret" not in str(caught.value) + "".join(desk.said)
