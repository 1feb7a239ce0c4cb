"""Which thread of a pool works next."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from modelserver.http.newest_first import NewestFirst
from tests.modelserver.http.conftest import Scored
from tests.modelserver.http.test_front_scoring import SLOW, post, rows
from tests.modelserver.samples import publish_slow

THREADS = 16


@pytest.mark.parametrize(("n", "expected"), [(1, [2]), (2, [1, 2]), (3, [0, 1, 2])])
def test_newest_wakes_first(n: int, expected: list[int]) -> None:
    """Of three threads that wait, the last one is woken first."""
    changed, waiting, woken = NewestFirst(threading.Lock()), [], []

    def wait(number: int) -> None:
        with changed:
            waiting.append(number)
            changed.wait(60)
            woken.append(number)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(waiting) <= number:  # it waits from then on that the lock is free again
            with changed:
                pass
    with changed:
        changed.notify(n)
    for number in expected:
        threads[number].join(60)
    with changed:
        assert sorted(woken) == expected
        changed.notify_all()
    for thread in threads:
        thread.join(60)
    assert sorted(woken) == [0, 1, 2]


def test_few_threads_do_the_work(start_scoring: Callable[..., Scored], tmp_path: Path) -> None:
    """Requests that come one after the other do not go round through all threads."""
    publish_slow(tmp_path / "models")
    front = start_scoring(tmp_path / "models", max_batch_rows=1)
    with front.connect() as client:
        for _ in range(4 * THREADS):
            client.send(post(SLOW, rows([20])))
            assert client.read().status == 200
    used = {front.next_record()["thread"] for _ in range(4 * THREADS)}
    assert len(used) < THREADS
