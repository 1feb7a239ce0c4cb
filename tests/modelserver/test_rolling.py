"""Versions roll under load; benchmarks/rolling.py does the same for a minute with more clients."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.modelserver.samples import publish_times

CLIENTS = 8
SWAPS = 5


class Client:
    """Asks in turns: as many requests as it is told, each checked.

    Args:
        server: whom.
        number: what this client sends, so that an answer of another's shows.
    """

    def __init__(self, server: RunningServer, number: int) -> None:
        self.wrong: list[str] = []
        self.versions: set[int] = set()
        self._server = server
        self._number = number

    def ask(self) -> None:
        """Ask once and check that the answer is that of the version it names."""
        answer = self._server.request("/v1/models/times:predict", {"instances": [self._number]})
        if answer.status != 200:
            self.wrong.append(f"{answer.status} {answer.body!r}")
            return
        version = int(answer.json["model_version"])
        self.versions.add(version)
        if answer.json["predictions"] != [self._number * version]:
            self.wrong.append(str(answer.body))

    def ask_until(self, over: threading.Event) -> None:
        """Ask until told to stop."""
        while not over.is_set():
            self.ask()


@pytest.mark.parametrize("front", ["waitress", "asyncio"])
def test_no_request_fails(serve: Callable[..., RunningServer], tmp_path: Path, front: str) -> None:
    """While versions come and go, every request is answered, by the version that it names.

    Each old version is freed; once a load is done, only the new one answers.
    """
    publish_times(tmp_path, 1)
    server = serve(tmp_path, "--repository-poll-seconds", "0", "--http-server", front)
    over = threading.Event()
    clients = [Client(server, number + 1) for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.ask_until, args=(over,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for version in range(2, SWAPS + 2):
            publish_times(tmp_path, version)
            shutil.rmtree(tmp_path / "times" / str(version - 1))
            load = server.request("/v2/repository/models/times/load", b"", management=True)
            assert load.status == 200
            after = Client(server, 7)
            after.ask()
            assert (after.versions, after.wrong) == ({version}, [])
            assert server.wait_for("model_unloaded")["version"] == str(version - 1)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [client.wrong for client in clients] == [[]] * CLIENTS
    assert set().union(*(client.versions for client in clients)) <= set(range(1, SWAPS + 2))
    assert all(client.versions for client in clients)
