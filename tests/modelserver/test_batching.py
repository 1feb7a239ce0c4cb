"""The queue of one model: what runs together, what never runs, and who gets which answer."""

import contextlib
import gc
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelserver.batching import Batcher
from modelserver.calls import Arrays, Call, Part
from modelserver.errors import (
    ClientGone,
    DeadlineExceeded,
    ModelFailed,
    Overloaded,
    RefusedByModel,
)


class Clock:
    """Seconds that grow only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Model:
    """Doubles numbers; remembers its batches; fails on 13, takes a second of the clock a run."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.batches: list[list[float]] = []
        self.deadlines: list[float] = []
        self.during: Callable[[], object] = lambda: None

    def __call__(self, arrays: Arrays, rows: int, deadline: float) -> Arrays:
        values = arrays["x"]
        self.deadlines.append(deadline)
        assert len(values) == rows
        self.batches.append(values.ravel().tolist())
        self.clock.now += 1
        during, self.during = self.during, lambda: None
        during()
        if 14 in values:
            raise DeadlineExceeded("14")
        if 13 in values:
            raise ModelFailed("13")
        return {"y": values * 2}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(clock: Clock) -> Model:
    return Model(clock)


@pytest.fixture
def spawned() -> list[object]:
    """The threads that batchers wanted."""
    return []


@pytest.fixture
def make(clock: Clock, model: Model, spawned: list[object]) -> Callable[..., Batcher]:
    """Make batchers whose threads never start."""

    def make(**changes: object) -> Batcher:
        options = {"max_batch_rows": 4, "max_queue_rows": 10, **changes}
        return Batcher(model, clock=clock, spawn=spawned.append, **options)  # type: ignore[arg-type]

    return make


class Asked(Call):
    """A call that still knows its parts when it is done."""

    def __init__(self, parts: list[Part], **more: Any) -> None:
        super().__init__(parts, **more)
        self.asked = parts


def part(*values: float, key: object = "k") -> Part:
    return Part({"x": np.array(values)[:, None]}, len(values), key)  # type: ignore[arg-type]


def call(*values: float, **more: float) -> Asked:
    return Asked([part(*values)], **more)


def answers(done: Asked) -> list[float]:
    assert done.done
    if done.error:
        raise done.error
    return [number for part in done.asked for number in part.outputs["y"].ravel().tolist()]


def submit(batcher: Batcher, *calls: Call) -> None:
    for one in calls:
        batcher.submit(one)


def test_lone_call_runs_in_its_own_thread(make: Callable[..., Batcher], model: Model) -> None:
    """An idle model costs no hand-over: whoever brings work runs it."""
    batcher, one = make(), call(1, 2)
    batcher.submit(one)
    assert batcher.queue_rows == 2
    batcher.run(one)
    assert answers(one) == [2, 4]
    assert (batcher.queue_rows, model.batches) == (0, [[1, 2]])


def test_queued_calls_share_a_batch(make: Callable[..., Batcher], model: Model) -> None:
    """What is queued when the runner is free runs together, and each gets its own rows."""
    batcher, calls = make(), [call(1), call(2, 3), call(4)]
    submit(batcher, *calls)
    batcher.run(calls[0])
    assert [answers(one) for one in calls] == [[2], [4, 6], [8]]
    assert model.batches == [[1, 2, 3, 4]]


def test_batches_have_a_bound(make: Callable[..., Batcher], model: Model) -> None:
    """Rows are counted, not requests; one that does not fit any more opens the next batch."""
    batcher, calls = make(), [call(1, 2, 3), call(4, 5), call(6)]
    submit(batcher, *calls)
    for one in calls:
        batcher.run(one)
    assert model.batches == [[1, 2, 3], [4, 5, 6]]


def test_only_equal_keys_are_joined(make: Callable[..., Batcher], model: Model) -> None:
    """Other shapes, and parts that cannot be joined at all, keep their turn and run apart."""
    batcher = make()
    calls = [Asked([part(number, key=key)]) for number, key in enumerate("abacb")]
    calls += [Asked([part(8, key=None)]), Asked([part(9, key=None)])]
    submit(batcher, *calls)
    for one in calls:
        batcher.run(one)
    assert model.batches == [[0, 2], [1, 4], [3], [8], [9]]
    assert [answers(one) for one in calls] == [[0], [2], [4], [6], [8], [16], [18]]


def test_call_of_several_parts(make: Callable[..., Batcher]) -> None:
    """A call is done when the last of its parts is, and told so once."""
    batcher, told = make(), []
    one = Asked([part(1), part(2, key="other"), part(3)])
    batcher.submit(one)
    batcher.when_done(one, lambda: told.append(one.done))
    batcher.run(one)
    assert (answers(one), told) == ([2, 4, 6], [True])


def test_poisoned_call_fails_alone(make: Callable[..., Batcher], model: Model) -> None:
    """When a batch fails, its calls are run one by one, so that only the guilty one fails."""
    batcher, calls = make(), [call(1), call(13), call(3)]
    submit(batcher, *calls)
    batcher.run(calls[0])
    assert (answers(calls[0]), answers(calls[2])) == ([2], [6])
    with pytest.raises(ModelFailed):
        answers(calls[1])
    assert model.batches == [[1, 13, 3], [1], [13], [3]]


def test_error_of_one_part_ends_its_call(make: Callable[..., Batcher], model: Model) -> None:
    """A call has an answer for all of its parts or for none; what is left of it does not run."""
    batcher, one, other = make(), Asked([part(13), part(2, key="b")]), call(5)
    submit(batcher, one, other)
    batcher.run(one)
    with pytest.raises(ModelFailed):
        answers(one)
    assert batcher.queue_rows == 0, "nobody would come for what is left"
    batcher.run(other)
    assert answers(other) == [10]
    assert model.batches == [[13, 5], [13], [5]]


def test_expired_work_never_runs(make: Callable[..., Batcher], clock: Clock, model: Model) -> None:
    """What nobody waits for any more is dropped when its turn comes."""
    batcher, late, one = make(), call(1, deadline=101), call(2)
    submit(batcher, late, one)
    clock.now = 101
    batcher.run(one)
    with pytest.raises(DeadlineExceeded):
        answers(late)
    assert (answers(one), model.batches) == ([4], [[2]])


def test_gone_client_is_dropped(make: Callable[..., Batcher], model: Model) -> None:
    """A client that hung up while its work was queued costs nothing."""
    batcher, one = make(), call(2)
    gone = Asked([part(1)], is_gone=lambda: True)
    submit(batcher, gone, one)
    batcher.run(one)
    with pytest.raises(ClientGone):
        answers(gone)
    assert model.batches == [[2]]


def test_client_gone_halfway(make: Callable[..., Batcher]) -> None:
    """Parts that were passed over before the client hung up do not stay in the queue for ever."""
    batcher, one = make(), call(2)
    gone = Asked([part(1, key="b"), part(3, key="c")], is_gone=iter([False, True]).__next__)
    submit(batcher, one, gone)
    batcher.run(one)
    with pytest.raises(ClientGone):
        answers(gone)
    assert (answers(one), batcher.queue_rows) == ([4], 0)


def test_given_up_work_never_runs(make: Callable[..., Batcher], model: Model) -> None:
    """A cancelled call leaves the queue at once, is told, and its room is free."""
    batcher, one, other, told = make(), call(1, 2), call(3), []
    submit(batcher, one, other)
    batcher.when_done(one, lambda: told.append("done"))
    batcher.give_up(one, ClientGone("gone"))
    assert (batcher.queue_rows, told) == (1, ["done"])
    batcher.give_up(one, ClientGone("gone"))  # too late, and told once only
    batcher.run(other)
    assert (model.batches, told) == ([[3]], ["done"])


def test_call_given_up_while_it_runs(make: Callable[..., Batcher], model: Model) -> None:
    """The error stays, whatever the model answers afterwards; the neighbours get theirs."""
    batcher, one, other = make(), call(1), call(2)
    submit(batcher, one, other)
    model.during = lambda: batcher.give_up(one, DeadlineExceeded("late"))
    batcher.run(other)
    assert answers(other) == [4]
    with pytest.raises(DeadlineExceeded):
        answers(one)


def test_full_queue_refuses(make: Callable[..., Batcher]) -> None:
    """The queue is bounded in rows, and says when to come back; an idle model takes any call."""
    batcher = make()
    submit(batcher, call(*range(4)), call(*range(4)))
    with pytest.raises(Overloaded, match="has 8 rows waiting, at most 10 may") as caught:
        batcher.submit(call(1, 2, 3))
    assert caught.value.retry_after_seconds == 1
    batcher.submit(call(1, 2))
    assert batcher.queue_rows == 10
    idle = make(max_queue_rows=1)
    idle.submit(call(1, 2, 3))
    assert idle.queue_rows == 3


def test_hopeless_call_is_refused(make: Callable[..., Batcher], clock: Clock) -> None:
    """Work that cannot be reached in time is refused at once, not queued until it expires."""
    batcher, first = make(), call(1)
    batcher.submit(first)
    batcher.run(first)  # takes a second
    submit(batcher, *[call(1) for _ in range(8)])
    deadline = clock.now + 1.5
    with pytest.raises(Overloaded, match=r"takes \d+ s, the request allows 1\.5 s") as caught:
        batcher.check_room(deadline)
    assert caught.value.retry_after_seconds >= 2
    with pytest.raises(Overloaded):
        batcher.submit(call(1, deadline=deadline))
    batcher.submit(call(1, deadline=clock.now + 100))


def test_own_run_counts(make: Callable[..., Batcher], clock: Clock, model: Model) -> None:
    """A call needs the time of the batch that runs now, of those that wait, and of its own."""
    batcher, first, second = make(max_batch_rows=1), call(1), call(2)
    batcher.submit(first)
    batcher.run(first)  # takes a second, as all others will
    refused: list[float] = []

    def interrupt() -> None:
        batcher.submit(call(3))
        for left in (4.2, 4.4):  # 3 s are 0.7 of 4.29 s
            try:
                batcher.check_room(clock.now + left)
            except Overloaded:
                refused.append(left)

    model.during = interrupt
    batcher.submit(second)
    batcher.run(second)
    assert refused == [4.2]


def test_idle_model_takes_any_call(make: Callable[..., Batcher], clock: Clock) -> None:
    """A model that seems too slow for a deadline is tried: only a run can show that it is not."""
    batcher, first = make(), call(1)
    batcher.submit(first)
    batcher.run(first)
    batcher.check_room(clock.now + 0.001)


def test_past_deadline_is_refused(make: Callable[..., Batcher], clock: Clock) -> None:
    """A request whose time is over when it arrives is answered so."""
    batcher = make()
    batcher.check_room(math.inf)
    with pytest.raises(DeadlineExceeded):
        batcher.check_room(clock.now)


def test_busy_runner_is_not_shared(make: Callable[..., Batcher], model: Model) -> None:
    """Work that comes while the runner is busy waits, and is left to a thread of the batcher."""
    batcher, one, late = make(), call(1), call(2)

    def interrupt() -> None:
        batcher.submit(late)
        batcher.run(late)
        assert not late.done

    model.during = interrupt
    batcher.submit(one)
    batcher.run(one)
    assert answers(one) == [2]
    assert (late.done, batcher.queue_rows) == (False, 1)


def test_idle_runner_takes_what_is_left(
    make: Callable[..., Batcher], model: Model, spawned: list[object]
) -> None:
    """A call of several batches runs on every runner, not on that of its own thread alone."""
    batcher, one = make(instances=2), Asked([part(1, 2, 3, 4), part(5)])
    batcher.submit(one)
    model.during = lambda: batcher._run_next()  # what the woken thread does
    batcher.run(one)
    assert len(spawned) == 1
    assert (answers(one), model.batches) == ([2, 4, 6, 8, 10], [[1, 2, 3, 4], [5]])


def test_lone_runner_wakes_nobody(make: Callable[..., Batcher], spawned: list[object]) -> None:
    """With one runner the thread that brought a call runs all of it."""
    batcher, one = make(), Asked([part(1, 2, 3, 4), part(5)])
    batcher.submit(one)
    batcher.run(one)
    assert answers(one) == [2, 4, 6, 8, 10]
    assert not spawned


def test_delay_waits_for_more(make: Callable[..., Batcher], clock: Clock, model: Model) -> None:
    """With a delay, a batch that is not full starts when its oldest call has waited that long."""
    batcher, one, two = make(max_delay_seconds=5.0), call(1), call(2)
    submit(batcher, one, two)
    batcher.run(one)
    assert not one.done
    clock.now += 5
    batcher.run(one)
    assert (answers(one), answers(two), model.batches) == ([2], [4], [[1, 2]])


def test_full_batch_does_not_wait(make: Callable[..., Batcher], model: Model) -> None:
    """A delay is for batches with room."""
    batcher, one = make(max_delay_seconds=5.0), call(1, 2, 3, 4)
    batcher.submit(one)
    batcher.run(one)
    assert answers(one) == [2, 4, 6, 8]


def test_threads_of_the_batcher(model: Model) -> None:
    """What is woken for runs without its caller, and the threads end with the batcher."""
    threads: list[threading.Thread] = []

    def spawn(work: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    batcher, one, done = (
        Batcher(model, max_batch_rows=4, max_queue_rows=9, spawn=spawn),
        call(1),
        (threading.Event()),
    )
    batcher.submit(one)
    batcher.when_done(one, done.set)
    batcher.wake()
    assert done.wait(60)
    assert answers(one) == [2]
    batcher.close()
    threads[0].join(60)
    assert not threads[0].is_alive()


@pytest.mark.parametrize("how", ["run", "given up"])
def test_threads_end_when_others_empty_the_queue(model: Model, how: str) -> None:
    """A call that its own thread runs, or that is given up, keeps no thread of a closed batcher."""
    threads: list[threading.Thread] = []

    def spawn(work: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    batcher = Batcher(model, max_batch_rows=4, max_queue_rows=9, spawn=spawn)
    first, last = call(1), call(2)
    batcher.submit(first)
    batcher.wake()
    await_waiting(batcher)
    batcher.submit(last)
    batcher.close()
    await_waiting(batcher)  # again, because a call is queued
    if how == "run":
        batcher.run(last)
    else:
        batcher.give_up(last, ClientGone("gone"))
    threads[0].join(60)
    assert not threads[0].is_alive()


def await_waiting(batcher: Batcher) -> None:
    """Wait until the batcher's thread waits; who is notified waits no more."""
    while not batcher._changed._waiters:  # type: ignore[attr-defined]
        pass


def test_a_run_lasts_as_long_as_somebody_waits(make: Callable[..., Batcher], model: Model) -> None:
    """A batch may take until the last of its deadlines, not the first."""
    batcher, calls = make(), [call(1, deadline=200.0), call(2, deadline=300.0)]
    for one in calls:
        batcher.submit(one)
    batcher.run(calls[0])
    assert (model.batches, model.deadlines) == ([[1, 2]], [300.0])


def test_a_run_that_was_ended_is_not_tried_again(
    make: Callable[..., Batcher], model: Model
) -> None:
    """When the time of a batch ran out, running its members one by one would only take longer."""
    batcher, calls = make(), [call(1), call(14)]
    for one in calls:
        batcher.submit(one)
    batcher.run(calls[0])
    assert model.batches == [[1, 14]]
    assert [type(one.error) for one in calls] == [DeadlineExceeded] * 2


def failing(error: Exception) -> Callable[..., Arrays]:
    def run(arrays: Arrays, rows: int, deadline: float) -> Arrays:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "deadline"),
    [
        (RefusedByModel("no"), math.inf),
        (DeadlineExceeded("late"), math.inf),
        (ModelFailed("broken"), 0.0),  # refused before it runs
    ],
)
def test_failed_calls_leave_no_garbage(error: Exception, deadline: float) -> None:
    """What a call brought is freed with it, though it was refused or its run failed."""
    batcher = Batcher(failing(error), max_batch_rows=4, max_queue_rows=10, clock=lambda: 1.0)
    work = Call([part(1, 2)], deadline=deadline)
    array = weakref.ref(work.parts[0].arrays["x"].base)
    gc.disable()
    try:
        with contextlib.suppress(DeadlineExceeded):
            batcher.submit(work)
            batcher.run(work)
        assert work.error is error or not deadline
        del work
        assert array() is None
    finally:
        gc.enable()
