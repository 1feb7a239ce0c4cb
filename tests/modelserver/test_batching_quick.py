"""Which work of a model an event loop may wait for."""

from collections.abc import Callable

import numpy as np
import pytest

from modelserver.batching import Batcher
from modelserver.calls import Arrays, Call, Part


class Model:
    """Takes as long for each row as the test says, by a clock of its own."""

    def __init__(self, row_seconds: float) -> None:
        self.now = 0.0
        self.row_seconds = row_seconds
        self.during: Callable[[], object] = lambda: None

    def __call__(self, arrays: Arrays, rows: int, deadline: float) -> Arrays:
        self.now += self.row_seconds * rows
        self.during()
        return arrays


def make(model: Model, **more: float) -> Batcher:
    return Batcher(
        model,
        max_batch_rows=8,
        max_queue_rows=100,
        clock=lambda: model.now,
        spawn=lambda work: None,
        **more,  # type: ignore[arg-type]
    )


def submit(batcher: Batcher, rows: int = 1) -> Call:
    call = Call([Part({"x": np.zeros((rows, 1))}, rows, "k")])
    batcher.submit(call)
    return call


def test_unknown_model() -> None:
    """A model that has not run yet may take any time."""
    assert not make(Model(0.0001)).is_quick


@pytest.mark.parametrize(("row_seconds", "quick"), [(0.0001, True), (0.01, False)])
def test_learned_from_its_runs(row_seconds: float, quick: bool) -> None:
    """After a run, the model is as quick as that was."""
    batcher = make(Model(row_seconds))
    batcher.run(submit(batcher))
    submit(batcher)
    assert batcher.is_quick is quick


def test_empty_queue_of_a_slow_model() -> None:
    """The row that is about to come counts: a slow model without a queue is slow all the same."""
    batcher = make(Model(0.01))
    batcher.run(submit(batcher))
    assert not batcher.is_quick


def test_slow_of_late() -> None:
    """A model that took long for one of many requests may take long for the next one, too."""
    model = Model(1.0)
    batcher = make(model)
    batcher.run(submit(batcher))
    model.row_seconds = 0.0001
    for quick in (False, True):
        for _ in range(100):
            batcher.run(submit(batcher))
        assert batcher._pace.predict(1, 8) < 0.005
        assert batcher.is_quick is quick


def test_full_batch_of_a_quick_model() -> None:
    """What counts is all that waits, up to a batch."""
    batcher = make(Model(0.001))
    batcher.run(submit(batcher))
    submit(batcher, 2)
    assert batcher.is_quick
    submit(batcher, 6)
    assert not batcher.is_quick


def test_busy_model() -> None:
    """While others run the model, nobody knows how long they still take."""
    model = Model(0.0001)
    batcher = make(model)
    batcher.run(submit(batcher))
    seen: list[bool] = []
    model.during = lambda: seen.append(batcher.is_quick)
    batcher.run(submit(batcher))
    assert seen == [False]
    assert batcher.is_quick


def test_batches_that_wait_for_more() -> None:
    """A model whose batches wait would make the loop wait."""
    batcher = make(Model(0.0001), max_delay_seconds=0.5)
    batcher._pace.observe(1, 0.0001)
    assert not batcher.is_quick
