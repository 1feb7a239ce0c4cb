"""A worker as the supervisor sees it: a process that is started, asked and counted."""

import dataclasses
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from modelserver.families import Family
from modelserver.settings import Settings
from modelserver.workers import orders
from modelserver.workers.channel import Channel


class WorkerGone(Exception):
    """The process ended before it could answer."""


class WorkerProcess:
    """One running worker; a new one is made for each start.

    Args:
        number: its place among the workers.
        listener: the bound socket of the scoring port.
        settings: how it shall behave.
        tell: called, from a thread of its own, with each message that is no answer.
    """

    def __init__(
        self,
        number: int,
        listener: socket.socket,
        settings: Settings,
        tell: Callable[["WorkerProcess", dict[str, Any]], None],
    ) -> None:
        self.number = number
        self.started = time.monotonic()
        self.obeys = False  # it was told to take connections, and gets all orders from then on
        self.open = False  # it takes connections
        self.ready = False
        self.models: list[str] = []
        self.error = ""
        self.families: list[Family] = []  # when last asked
        self._tell = tell
        self._ids = itertools.count()
        self._asked: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._gone = False
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        try:
            self.pid = _start(listener, theirs)
        finally:
            theirs.close()
        self._channel.send({"settings": dataclasses.asdict(settings), "worker": number})
        self._reader = threading.Thread(target=self._read, name=f"worker-{number}", daemon=True)
        self._reader.start()

    def ask(self, order: str, *arguments: Any) -> "Future[Any]":
        """Give an order; the future has its result, or WorkerGone when the process ends first."""
        future: Future[Any] = Future()
        with self._lock:
            if self._gone:
                future.set_exception(WorkerGone())
                return future
            number = next(self._ids)
            self._asked[number] = future
        self._channel.send({"id": number, "order": order, "arguments": arguments})
        return future

    def close(self) -> None:
        """Take in what an ended process has still said."""
        self._reader.join(timeout=10)
        self._channel.close()

    def _read(self) -> None:
        while message := self._channel.receive():
            if "id" in message:
                self._answer(message)
            else:
                self._note(message)
                self._tell(self, message)
        with self._lock:
            self._gone, self.open, self.ready = True, False, False
            left, self._asked = self._asked, {}
        for future in left.values():
            future.set_exception(WorkerGone())

    def _answer(self, message: dict[str, Any]) -> None:
        with self._lock:
            future = self._asked.pop(message["id"])
        if "error" in message:
            future.set_exception(orders.unpack_error(message["error"]))
        else:
            future.set_result(message["result"])

    def _note(self, message: dict[str, Any]) -> None:
        if message["event"] == orders.MODELS:
            self.ready, self.models = message["ready"], message["models"]
        elif message["event"] == orders.OPENED:
            self.open = True
        elif message["event"] == orders.FAILED:
            self.error = message["error"]


def _start(listener: socket.socket, channel: socket.socket) -> int:
    """Start a process of its own program, not a fork: this one has threads, and a session that
    was made before a fork hangs after it."""
    command = [sys.executable, "-m", "modelserver.workers.worker"]
    command += [str(listener.fileno()), str(channel.fileno())]
    for inherited in (listener, channel):
        inherited.set_inheritable(True)
    try:
        return os.posix_spawn(sys.executable, command, os.environ)
    finally:
        for inherited in (listener, channel):
            inherited.set_inheritable(False)
