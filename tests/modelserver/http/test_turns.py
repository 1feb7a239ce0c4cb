"""What the asyncio front does in its loop and what it keeps out of it, turn by turn."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest

pytest.importorskip("httptools", reason="needs the extra `fast`")

from modelserver.exchange import HttpRequest, Pending
from modelserver.http.limits import QUICK_BODY_BYTES, TURN_SECONDS
from modelserver.http.request_reader import Request
from modelserver.http.response import Response
from modelserver.http.turns import Turns
from modelserver.replies import Reply
from modelserver.scoring import Found, Route
from modelserver.work import Work

FOUND = Found(Route("/x", re.compile("/x"), lambda request: Work([], list)), "x", None)


class Loop:
    """An event loop that does a turn when told to."""

    def __init__(self) -> None:
        self.soon: deque[Callable[[], None]] = deque()
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_soon(self, call: Callable[..., None], *arguments: Any) -> None:
        self.soon.append(lambda: call(*arguments))

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, call: Callable[[], None]) -> "Loop":
        self.later.append((delay, call))
        return self

    def cancel(self) -> None:
        """What a timer can do."""
        self.later.clear()

    def turn(self) -> None:
        """Run what is due now, not what that adds."""
        for _ in range(len(self.soon)):
            self.soon.popleft()()


class Pool(Executor):
    """Keeps what is submitted until told to run it."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Waiting(Pending):
    """A request whose model answers when the test says so, or when it is run."""

    def __init__(self, name: str, scoring: "Scoring") -> None:
        self.name = name
        self._scoring = scoring
        self._callback: Callable[[], object] | None = None

    @property
    def deadline(self) -> float:
        return float("inf")

    def when_done(self, callback: Callable[[], object]) -> None:
        self._callback = callback

    def run(self) -> None:
        self._scoring.ran.append(self.name)
        self._scoring.on_run()
        self._scoring.now += self._scoring.run_seconds
        if self._scoring.answers:
            self.end()

    def end(self) -> None:
        assert self._callback is not None
        self._callback()

    def finish(self) -> Reply:
        return Reply(200, self.name.encode())

    def cancel(self) -> None:
        self._scoring.cancelled.append(self.name)


class Scoring:
    """Begins and runs as long as the test says, by a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.begin_seconds = self.run_seconds = 0.0
        self.answers = True
        self.on_run: Callable[[], object] = lambda: None
        self.refuses = False
        self.requests: list[HttpRequest] = []
        self.begun: list[Waiting] = []
        self.ran: list[str] = []
        self.cancelled: list[str] = []

    def begin(self, found: Found, request: HttpRequest) -> Reply | Pending:
        self.now += self.begin_seconds
        self.requests.append(request)
        if self.refuses:
            return Reply(400, b"no")
        self.begun.append(Waiting(request.id, self))
        return self.begun[-1]


class Bench:
    """Turns with everything around them in the test's hand."""

    def __init__(self) -> None:
        self.scoring, self.loop, self.pool = Scoring(), Loop(), Pool()
        self.turns = Turns(self.scoring, self.loop, self.pool, lambda: self.scoring.now)  # type: ignore[arg-type]
        self.answers: list[bytes] = []

    def take(self, name: str, body: bytes = b"{}") -> Callable[[], object]:
        headers = {"x-request-id": name, "content-length": str(len(body))}
        request = Request("POST", "/x", "", "1.1", headers, True, body)
        return self.turns.take(FOUND, request, self._respond)

    def _respond(self, response: Response) -> None:
        self.answers.append(response.body)


@pytest.fixture
def bench() -> Bench:
    """Turns that have seen nothing yet."""
    return Bench()


def test_one_turn_begins_all_before_any_runs(bench: Bench) -> None:
    """Requests that came in one turn can share a batch: each has begun before the first runs."""
    counts: list[int] = []
    bench.scoring.on_run = lambda: counts.append(len(bench.scoring.begun))
    for name in "abc":
        bench.take(name)
    assert bench.scoring.begun == []  # nothing happens while sockets are read
    bench.loop.turn()
    assert bench.scoring.ran == ["a", "b", "c"]
    assert counts == [3, 3, 3]


def test_answers_come_in_the_same_turn(bench: Bench) -> None:
    """What a quick model has answered is sent without another turn."""
    bench.take("a")
    bench.take("b")
    bench.loop.turn()
    assert bench.answers == [b"a", b"b"]
    assert not bench.loop.soon


def test_beginning_does_not_hold_the_loop(bench: Bench) -> None:
    """A turn ends after its time however many requests wait; the next one goes on."""
    bench.scoring.begin_seconds = TURN_SECONDS / 2.5
    for number in range(10):
        bench.take(str(number))
    begun = []
    while bench.loop.soon:
        before = bench.scoring.now
        bench.loop.turn()
        begun.append(len(bench.scoring.begun))
        assert bench.scoring.now - before < TURN_SECONDS + bench.scoring.begin_seconds
    assert begun == [3, 6, 9, 10]
    assert len(bench.answers) == 10


def test_running_does_not_hold_the_loop(bench: Bench) -> None:
    """Nor is the loop held by models that each are quick: those left run in the next turn."""
    bench.scoring.run_seconds = TURN_SECONDS / 2.5
    for number in range(10):
        bench.take(str(number))
    ran = []
    while bench.loop.soon:
        bench.loop.turn()
        ran.append(len(bench.scoring.ran))
    assert ran == [3, 6, 9, 10]
    assert len(bench.answers) == 10


def test_large_bodies_are_read_apart(bench: Bench) -> None:
    """A large body is read in the pool, and so is its answer made."""
    bench.take("large", b" " * (QUICK_BODY_BYTES + 1))
    bench.loop.turn()
    assert bench.scoring.begun == []
    bench.pool.run()  # reads
    bench.loop.turn()  # takes it over
    bench.loop.turn()  # runs it
    assert bench.answers == []
    bench.pool.run()  # makes the answer
    bench.loop.turn()
    assert bench.answers == [b"large"]


def test_what_takes_long_to_read_is_read_apart(bench: Bench) -> None:
    """Small bodies are read apart too once those before them took long, by their own time."""
    begin = bench.scoring.begin

    def slowly(found: Found, request: HttpRequest) -> Reply | Pending:
        end = time.thread_time() + 0.005
        while time.thread_time() < end:
            pass
        return begin(found, request)

    bench.scoring.begin = slowly  # type: ignore[method-assign]
    bench.take("first")
    bench.loop.turn()
    assert bench.answers == [b"first"]
    bench.take("second")
    assert len(bench.pool.calls) == 1
    assert not bench.loop.soon


def test_refusal_in_the_loop_and_apart(bench: Bench) -> None:
    """A request that is refused is answered at once, wherever it was read."""
    bench.scoring.refuses = True
    bench.take("small")
    bench.take("large", b" " * (QUICK_BODY_BYTES + 1))
    bench.loop.turn()
    bench.pool.run()
    bench.loop.turn()
    assert bench.answers == [b"no", b"no"]


def test_slow_model_answers_from_its_own_thread(bench: Bench) -> None:
    """An answer that comes from another thread is sent in the loop, and its timer ends."""
    bench.scoring.answers = False
    bench.take("a")
    bench.loop.turn()
    assert len(bench.loop.later) == 1
    thread = threading.Thread(target=bench.scoring.begun[0].end)
    thread.start()
    thread.join(30)
    assert bench.answers == []
    bench.loop.turn()
    assert bench.answers == [b"a"]
    assert bench.loop.later == []


def test_given_up_before_it_began(bench: Bench) -> None:
    """A request whose client left before its turn is not even read."""
    give_up = bench.take("a")
    give_up()
    bench.loop.turn()
    assert bench.scoring.begun == []


def test_given_up_while_it_waits(bench: Bench) -> None:
    """A request whose client leaves while it waits for the model is cancelled, once."""
    bench.scoring.answers = False
    give_up = bench.take("a")
    bench.loop.turn()
    give_up()
    bench.scoring.begun[0].end()
    bench.loop.turn()
    assert bench.scoring.cancelled == ["a"]
    assert bench.answers == []


def test_given_up_while_it_is_read_apart(bench: Bench) -> None:
    """A request whose client leaves while it is read in the pool is cancelled after that."""
    give_up = bench.take("a", b" " * (QUICK_BODY_BYTES + 1))
    (read,) = bench.pool.calls
    read()
    give_up()
    bench.loop.turn()
    assert bench.scoring.cancelled == ["a"]
    assert bench.scoring.ran == []


def test_recorded_after_the_answer(bench: Bench) -> None:
    """What a request has done afterwards waits until its answer is on its way."""
    seen: list[list[bytes]] = []

    def record() -> None:
        seen.append(list(bench.answers))

    bench.scoring.on_run = lambda: bench.scoring.requests[0].afterwards(record)
    bench.take("a")
    bench.loop.turn()
    assert (bench.answers, seen) == ([b"a"], [])
    bench.loop.turn()
    assert seen == [[b"a"]]


def test_recorded_by_the_pool(bench: Bench) -> None:
    """A thread of the pool records at once: the loop belongs to another thread."""
    seen: list[str] = []
    bench.take("a", b"x" * (QUICK_BODY_BYTES + 1))
    bench.pool.run()
    bench.scoring.requests[0].afterwards(lambda: seen.append("recorded"))
    assert seen == ["recorded"]
