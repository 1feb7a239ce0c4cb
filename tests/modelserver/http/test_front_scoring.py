"""Scoring through both HTTP fronts, with real models."""

import contextlib
import gc
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelserver.access import Access
from modelserver.auth.guard import Guard
from modelserver.auth.keys import KeyDirectory, digest
from modelserver.auth.limits import ClientLimits
from modelserver.http.waitress_turns import Turns
from modelserver.scoring import Scoring
from tests.conftest import publish_linear
from tests.modelserver.http.conftest import MAX_BODY_BYTES, Scored
from tests.modelserver.malformed_http import MALFORMED
from tests.modelserver.samples import publish_slow

SUM = b"/v1/models/sum:predict"
SLOW = b"/v1/models/slow:predict"
PAGE = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path: bytes, body: Any, *headers: bytes) -> bytes:
    """The bytes of a POST; anything but bytes is sent as JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    length = b"Content-Length: %d" % len(body)
    kind = b"Content-Type: application/json"
    lines = b"\r\n".join([b"POST %s HTTP/1.1" % path, b"Host: x", length, kind, *headers])
    return lines + b"\r\n\r\n" + body


def rows(*rows: list[float]) -> dict[str, Any]:
    """A request of the task API."""
    return {"instances": list(rows)}


@pytest.fixture
def sums(start_scoring: Callable[..., Scored], tmp_path: Path) -> Scored:
    """A front with a model that adds up rows of three."""
    publish_linear(tmp_path / "models")
    return start_scoring(tmp_path / "models")


@pytest.fixture
def quick(sums: Scored, monkeypatch: pytest.MonkeyPatch) -> Scored:
    """The same, known to be quick: its runs take no time by its clock, however busy the machine."""
    now = time.perf_counter()
    monkeypatch.setattr(sums.scorer.find("sum", None).batcher, "_clock", lambda: now)
    with sums.connect() as client:
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().status == 200
    sums.next_record()
    return sums


@pytest.fixture
def slow(start_scoring: Callable[..., Scored], tmp_path: Path) -> Scored:
    """A front with a model that takes as long as it is told, one row at a time."""
    publish_slow(tmp_path / "models")
    return start_scoring(tmp_path / "models", max_batch_rows=1)


def runs(front: Scored, name: str) -> dict[int, int]:
    """Rows of a batch -> how many batches had that many."""
    counts = front.scorer.find(name, None).statistics.read()
    return {size: tally.count for size, tally in counts.batches.items()}


def test_answer(sums: Scored) -> None:
    """A request is scored, answered under its own id and recorded."""
    with sums.connect() as client:
        client.send(post(SUM, rows([1, 2, 3], [4, 5, 6]), b"X-Request-Id: mine"))
        answer = client.read()
    assert (answer.status, answer.json["predictions"]) == (200, [[6.0], [15.0]])
    assert answer.headers["X-Request-Id"] == "mine"
    record = sums.next_record()
    assert (record["request_id"], record["status"], record["model"]) == ("mine", 200, "sum")
    assert record["bytes_out"] == len(answer.body)


def test_no_garbage(sums: Scored) -> None:
    """Requests leave nothing to the collector of garbage, which stops the process while it looks.

    A connection may leave something; a request that does would be seen a hundred times.
    """
    requests = 100
    with sums.connect() as client:
        client.send(post(SUM, rows([1, 2, 3])))  # what is made at the first use
        client.read()
        sums.next_record()
        gc.collect()
        gc.disable()
        try:
            for _ in range(requests):
                client.send(post(SUM, rows([1, 2, 3])))
                assert client.read().status == 200
                sums.next_record()
            assert gc.collect() < requests
        finally:
            gc.enable()


def test_body_in_chunks(sums: Scored) -> None:
    """A body in chunks is scored like one with a length."""
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % SUM
    with sums.connect() as client:
        client.send(head + b'10\r\n{"instances":[[1\r\n7\r\n,2,3]]}\r\n0\r\n\r\n')
        assert client.read().json["predictions"] == [[6.0]]


REFUSALS = {
    "no body": (b"POST %s HTTP/1.1\r\nHost: x\r\n\r\n" % SUM, 411, "length_required"),
    "get": (b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % SUM, 405, "method_not_allowed"),
    "no model": (post(b"/v1/models/x:predict", rows([1])), 404, "not_found"),
    "no JSON": (post(SUM, b"{"), 400, "undecodable"),
    "wrong width": (post(SUM, rows([1, 2])), 422, "invalid_input"),
    "empty body": (post(SUM, b""), 400, "undecodable"),
}


@pytest.mark.parametrize(("request_", "status", "code"), REFUSALS.values(), ids=REFUSALS)
def test_refusal(sums: Scored, request_: bytes, status: int, code: str) -> None:
    """A refused request gets our error, is recorded, and leaves the connection usable."""
    with sums.connect() as client:
        client.send(request_)
        answer = client.read()
        assert (answer.status, answer.json["code"]) == (status, code)
        assert sums.next_record()["status"] == status
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().json["predictions"] == [[6.0]]


MISSING = b"/v1/models/x:predict"
EARLY = {
    "no model": (MISSING, b"Content-Length: 90000", 404),
    "no model, in chunks": (MISSING, b"Transfer-Encoding: chunked", 404),
    "no model, asking": (
        b"/v1/models/x:predict",
        b"Content-Length: 9\r\nExpect: 100-continue",
        404,
    ),
    "no time": (SUM, b"Content-Length: 9\r\nX-Request-Timeout: soon", 422),
}


@pytest.mark.parametrize("kind", ["asyncio"], indirect=True)
@pytest.mark.parametrize(("path", "headers", "status"), EARLY.values(), ids=EARLY)
def test_refusal_before_the_body(sums: Scored, path: bytes, headers: bytes, status: int) -> None:
    """A request that its headers rule out is refused before its body has come."""
    with sums.connect() as client:
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % (path, headers))
        answer = client.read()
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
        assert client.at_end()
    assert sums.next_record()["status"] == status
    assert sums.events.empty()


@pytest.fixture
def keyed(start_scoring: Callable[..., Scored], tmp_path: Path) -> Scored:
    """The same behind API keys."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "tester").write_text(digest("right").hex())
    publish_linear(tmp_path / "models")
    guard = Guard(KeyDirectory(tmp_path / "keys"), ClientLimits(0, 0))
    return start_scoring(tmp_path / "models", guard=guard)


KEYS = {
    "no key": (b"", (400, 401)),
    "a wrong key": (b"X-API-Key: wrong\r\n", (400, 403)),
    "a right key": (b"X-API-Key: right\r\n", (400,)),
}


@pytest.mark.parametrize(("key", "statuses"), KEYS.values(), ids=KEYS)
def test_malformed_behind_keys(keyed: Scored, key: bytes, statuses: tuple[int, ...]) -> None:
    """Whatever its key, a request that is no HTTP is refused and its connection ends."""
    wrong = {}
    for name, request in MALFORMED.items():
        request = request.replace(b" / ", b" %s " % SUM).replace(b"\r\n", b"\r\n" + key, 1)
        with keyed.connect() as client:
            client.send(request)
            status = client.read().status
            if status not in statuses or not client.at_end():
                wrong[name] = status
    assert wrong == {}
    with keyed.connect() as client:
        client.send(post(SUM, rows([1, 2, 3]), b"X-API-Key: right"))
        assert client.read().status == 200


@pytest.mark.parametrize("kind", ["asyncio"], indirect=True)
def test_strangers_are_not_read(keyed: Scored) -> None:
    """A caller without a key is refused before its body has come."""
    with keyed.connect() as client:
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" % SUM)
        answer = client.read()
        assert (answer.status, answer.headers["Connection"]) == (401, "close")
        assert client.at_end()


def test_head_of_a_scoring_path(sums: Scored) -> None:
    """HEAD is refused without a body, so that the next answer is read as what it is."""
    with sums.connect() as client:
        client.send(b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % SUM)
        assert client.read(head=True).status == 405
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().json["predictions"] == [[6.0]]


def test_other_paths(sums: Scored) -> None:
    """What is not scoring reaches the WSGI application, on the same connection."""
    with sums.connect() as client:
        for _ in range(3):
            client.send(PAGE)
            assert client.read().json["PATH_INFO"] == "/page"
            client.send(post(SUM, rows([1, 2, 3])))
            assert client.read().json["predictions"] == [[6.0]]


@pytest.mark.parametrize("count", [1, 1000])
def test_small_and_large_bodies(sums: Scored, count: int) -> None:
    """Bodies that are read in the loop and those that are read apart get the same answers."""
    body = json.dumps(rows(*([[number, 0.125, 0.25] for number in range(count)]))).encode()
    body += b" " * (80_000 * (count > 1))
    assert len(body) < MAX_BODY_BYTES
    with sums.connect() as client:
        client.send(post(SUM, body))
        assert client.read().json["predictions"] == [[n + 0.375] for n in range(count)]


def test_quick_models_answer_in_the_loop(quick: Scored) -> None:
    """What a model answers sooner than a thread wakes is answered by the thread that read it."""
    with quick.connect() as client:
        threads = []
        for spaces in (0, 80_000):
            client.send(post(SUM, json.dumps(rows([1, 2, 3])).encode() + b" " * spaces))
            assert client.read().status == 200
            threads.append(quick.next_record()["thread"])
    assert [thread == "http" for thread in threads] == [True, False]


def test_what_comes_together_runs_together(quick: Scored) -> None:
    """Requests that have arrived on several connections share one batch, without a thread."""
    with contextlib.ExitStack() as connections:
        clients = [connections.enter_context(quick.connect()) for _ in range(4)]
        for client in clients:
            client.send(post(SUM, rows([1, 2, 3])))
            client.read()
        gate = quick.hold("sum")
        clients[0].send(post(SUM, rows([0, 0, 0])))
        gate.await_run()  # and with it the loop stands still
        for number, client in enumerate(clients[1:]):
            client.send(post(SUM, rows([number, 0, 0])))
        gate.open()
        answers = [client.read().json["predictions"] for client in clients]
    assert answers == [[[0]], [[0]], [[1]], [[2]]]
    assert runs(quick, "sum") == {1: 6, 3: 1}


def test_record_that_fails(quick: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours after the answer was sent costs nobody an answer."""
    with quick.connect() as client:
        with monkeypatch.context() as broken:
            broken.setattr(Access, "answered", lambda self, **facts: 1 / 0)
            for _ in range(3):
                client.send(post(SUM, rows([1, 2, 3])))
                assert client.read().status == 200
        client.send(post(SUM, rows([1, 2, 3], [1, 2, 4])))
        assert client.read().status == 200
        assert quick.next_record()["status"] == 200


KEEPING = {
    "1.1": (b"1.1", b"", True),
    "1.1, close": (b"1.1", b"Connection: close\r\n", False),
    "1.0": (b"1.0", b"", False),
    "1.0, keep-alive": (b"1.0", b"Connection: keep-alive\r\n", True),
}


@pytest.mark.parametrize(("version", "header", "stays"), KEEPING.values(), ids=KEEPING)
def test_connection_is_kept_as_asked(
    sums: Scored, version: bytes, header: bytes, stays: bool
) -> None:
    """A scored connection is closed when the client wants that, or its version says so."""
    line = b"HTTP/%s\r\n%s" % (version, header)
    request = post(SUM, rows([1, 2, 3])).replace(b"HTTP/1.1\r\n", line)
    with sums.connect() as client:
        client.send(request)
        answer = client.read()
        assert (answer.headers.get("Connection") == "close") is not stays
        if stays:
            client.send(request)
            assert client.read().status == 200
        else:
            assert client.at_end()


def test_last_answer_before_a_stop(sums: Scored) -> None:
    """A server that is about to stop closes the connection after the next answer."""
    with sums.connect() as client:
        client.send(post(SUM, rows([1, 2, 3])))
        assert "Connection" not in client.read().headers
        sums.front.announce_stop()
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().headers["Connection"] == "close"
        assert client.at_end()


def test_answers_never_cross(sums: Scored) -> None:
    """Each of many clients gets the answers to its own questions, in order."""

    def ask(client_number: int) -> None:
        with sums.connect() as client:
            for number in range(25):
                width = 3 if number % 5 else 2  # some are wrong
                client.send(post(SUM, rows([client_number, *([number] * (width - 1))])))
                answer = client.read()
                if width == 2:
                    assert answer.status == 422
                else:
                    assert answer.json["predictions"] == [[client_number + 2 * number]]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(0, 1600, 100)))


def test_pipelined_scoring(sums: Scored) -> None:
    """Requests that come together on one connection are answered in order."""
    with sums.connect() as client:
        client.send(b"".join(post(SUM, rows([number, 0, 0])) for number in range(20)))
        assert [client.read().json["predictions"] for _ in range(20)] == [
            [[float(number)]] for number in range(20)
        ]


def test_deadline(slow: Scored) -> None:
    """A request whose time runs out while the model is busy is answered then, and never runs."""
    gate = slow.hold("slow")
    with slow.connect() as busy, slow.connect() as hasty:
        busy.send(post(SLOW, rows([1])))
        gate.await_run()
        hasty.send(post(SLOW, rows([1]), b"X-Request-Timeout: 0.05"))
        answer = hasty.read()
        assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")
        gate.open()
        assert busy.read().json["predictions"] == [[1]]
    assert runs(slow, "slow") == {1: 1}


def test_refused_in_the_loop(slow: Scored) -> None:
    """What cannot be answered in time is refused without a thread; its connection goes on."""
    gate = slow.hold("slow")
    slow.scorer.find("slow", None).batcher._pace.observe(1, 5.0)
    with slow.connect() as busy, slow.connect() as hasty:
        busy.send(post(SLOW, rows([1])))
        gate.await_run()
        # This one takes 5 s, and so does the one before it.
        hasty.send(post(SLOW, rows([1]), b"X-Request-Timeout: 5", b"X-Request-Id: mine"))
        answer = hasty.read()
        assert (answer.status, answer.json["code"]) == (503, "overloaded")
        assert answer.headers["X-Request-Id"] == answer.json["request_id"] == "mine"
        assert int(answer.headers["Retry-After"]) >= 1
        refused = slow.next_record()
        hasty.send(post(SLOW, rows([2])))
        queued_behind(slow)
        gate.open()
        assert busy.read().json["predictions"] == [[1]]
        assert hasty.read().json["predictions"] == [[2]]
    assert (refused["request_id"], refused["thread"]) == ("mine", "http")


def test_loop_survives(
    sums: Scored, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours while a request is looked at costs that request alone."""
    if kind != "waitress":
        pytest.skip("the loop of the other front is asyncio's, which goes on by itself")

    def fail(found: object) -> bool:
        raise OSError("broken")

    with sums.connect() as client:
        with monkeypatch.context() as broken:
            broken.setattr(Scoring, "is_quick", lambda self, found: fail(found))
            client.send(post(SUM, rows([1, 2, 3])))
            assert client.read().status == 200  # in a thread, which does not ask
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().status == 200
    assert "a request could not be looked at" in caplog.text


def test_cut_off_is_recorded(slow: Scored) -> None:
    """A request that is cut off because the server stops is in the log all the same."""
    gate = slow.hold("slow")
    with slow.connect() as busy:
        busy.send(post(SLOW, rows([1]), b"X-Request-Id: cut"))
        gate.await_run()
        slow.stopped = True
        slow.front.stop(timeout_seconds=0)
        gate.open()
        record = slow.next_record()
    assert (record["request_id"], record["status"]) in [("cut", 499), ("cut", 200)]


def test_client_that_leaves(slow: Scored) -> None:
    """The queued work of a client that hangs up does not run, and is recorded as left."""
    gate = slow.hold("slow")
    with slow.connect() as busy:
        busy.send(post(SLOW, rows([1]), b"X-Request-Id: busy"))
        gate.await_run()
        with slow.connect() as leaver:
            leaver.send(post(SLOW, rows([1]), b"X-Request-Id: leaver"))
            queued_behind(slow)
        all_seen(slow)
        gate.open()
        assert busy.read().json["predictions"] == [[1]]
        records = {each["request_id"]: each for each in (slow.next_record(), slow.next_record())}
    assert (records["busy"]["status"], records["leaver"]["status"]) == (200, 499)
    assert runs(slow, "slow") == {1: 1}


def test_slow_model_does_not_hold_others(slow: Scored) -> None:
    """While a model runs for long, other paths are answered."""
    gate = slow.hold("slow")
    with slow.connect() as busy, slow.connect() as other:
        busy.send(post(SLOW, rows([1])))
        gate.await_run()
        other.send(PAGE)
        assert other.read().status == 200
        gate.open()
        assert busy.read().status == 200


def test_stop_answers_what_runs(slow: Scored) -> None:
    """A request that runs and one that waits are both answered when the server stops."""
    gate = slow.hold("slow")
    with slow.connect() as first, slow.connect() as second:
        first.send(post(SLOW, rows([1])))
        gate.await_run()
        second.send(post(SLOW, rows([1])))
        queued_behind(slow)
        stopping = threading.Thread(target=slow.stop)
        stopping.start()
        gate.open()
        for client in (first, second):
            answer = client.read()
            assert answer.json["predictions"] == [[1]]
            assert client.at_end()
        stopping.join(30)


def queued_behind(front: Scored) -> None:
    """Wait until a request waits behind the one that runs."""
    batcher = front.scorer.find("slow", None).batcher
    while not batcher.queue_rows:
        pass


def all_seen(front: Scored) -> None:
    """Wait until the front has taken note of everything that has arrived by now.

    What it sees together it handles in any order, but all of it before the next request.
    """
    with front.connect() as client:
        for _ in range(2):
            client.send(PAGE)
            assert client.read().status == 200


def test_client_that_leaves_before_its_turn(
    quick: Scored, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose client leaves while it waits for Waitress's loop takes no place for ever."""
    if kind != "waitress":
        pytest.skip("the other front learns of a client that leaves by itself")
    with quick.connect() as client:
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().json["predictions"] == [[6.0]]
        with monkeypatch.context() as busy:
            busy.setattr(Turns, "answer_quick", lambda self: None)
            with quick.connect() as leaver:
                leaver.send(post(SUM, rows([1, 2, 3])))
                all_seen(quick)
            all_seen(quick)
        client.send(post(SUM, rows([1, 2, 3])))
        assert client.read().json["predictions"] == [[6.0]]
    assert quick.scorer.wait_until_idle(5)
