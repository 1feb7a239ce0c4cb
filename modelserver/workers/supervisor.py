"""Several workers on one scoring port: started, restarted when they end, drained as one.

The workers share one listening socket that was bound before they started. Connections wait in one
queue of the kernel, so those that wait when a worker dies are taken by another; with a socket for
each (SO_REUSEPORT) they would be reset.
"""

import dataclasses
import heapq
import os
import queue
import signal
import time
from collections.abc import Iterator
from typing import Any

from modelserver import __version__
from modelserver.access import Access
from modelserver.cpu import available_cpus
from modelserver.http.listener import bind
from modelserver.inbox import Inbox
from modelserver.logs import Log, capture_library_logs
from modelserver.metrics import Metrics
from modelserver.service import (
    EXIT_FAILED,
    EXIT_OK,
    SIGNALS,
    drain_delay,
    listen_management,
    log_ready,
)
from modelserver.settings import Settings
from modelserver.workers import orders
from modelserver.workers.fleet import DRAINING, READY, STARTING, Fleet
from modelserver.workers.process import WorkerProcess

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_PROVEN_SECONDS = 60.0  # a worker that lived so long did not end because of its start
_STOP_SECONDS = 10.0  # on top of what the settings allow for a drain

Told = tuple[WorkerProcess, dict[str, Any]]
"""A worker and what it has told."""


class Supervisor:
    """The running parts of a server of several processes.

    Args:
        settings: how to behave.
        log: where events go.
    """

    def __init__(self, settings: Settings, log: Log) -> None:
        # Each process would take the memory of a GPU for all models, and they would take turns.
        device = "cpu" if settings.device == "auto" else settings.device
        self._settings = dataclasses.replace(settings, device=device)
        self._log = log
        self._fleet = Fleet(settings.workers)
        self._examples: dict[str, str] = {}
        self._pauses: dict[int, float] = {}
        self._due: list[tuple[float, int]] = []  # when to start which worker again
        self._inbox = Inbox[Told]()

    def run(self) -> int:
        """Start, watch and drain the workers; returns the exit code. Needs the main thread."""
        self._inbox.listen((*SIGNALS, signal.SIGCHLD))
        capture_library_logs(self._log)
        settings = self._settings
        self._log(
            "starting",
            version=__version__,
            cpus=available_cpus(),
            pid=os.getpid(),
            workers=settings.workers,
        )
        try:
            self._listener = bind(settings.host, settings.port)
            access = Access(self._log, Metrics())  # of the management port; nobody reads the counts
            self._management = listen_management(settings, self._fleet, access)
        except OSError as error:
            self._log("failed", error=str(error))
            return EXIT_FAILED
        self._management.start()
        for number in range(settings.workers):
            self._start(number)
        return self._watch()

    def _watch(self) -> int:
        """React to signals, to ended workers and to what the others tell."""
        while True:
            event = self._next_event()
            if event is None:
                _, number = heapq.heappop(self._due)
                self._fleet.counts.restarted()
                self._start(number)
            elif isinstance(event, tuple):
                self._heed(*event)
            elif event == signal.SIGCHLD:
                for worker, code in self._bury_all():
                    if self._fleet.state == STARTING:
                        return self._fail(worker.error or _describe_end(worker, code))
                    self._plan_restart(worker)
            else:
                return self._drain(event)

    def _next_event(self) -> signal.Signals | Told | None:
        """Wait for an event; None when a worker is due to start again."""
        wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        try:
            return self._inbox.get(wait)
        except queue.Empty:
            return None

    def _start(self, number: int) -> None:
        worker = WorkerProcess(number, self._listener, self._settings, self._told)
        self._fleet.add(worker)
        self._log("worker_started", worker=number, worker_pid=worker.pid)

    def _told(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        self._inbox.put((worker, message))

    def _heed(self, worker: WorkerProcess, message: dict[str, Any]) -> None:
        """Have a worker that has loaded take connections; the last one makes the server ready."""
        if message["event"] == orders.LOADED:
            self._examples = message["examples"]
            self._fleet.open(worker)
        elif message["event"] == orders.OPENED:
            self._log("worker_ready", worker=worker.number, worker_pid=worker.pid)
            self._open_if_complete()

    def _open_if_complete(self) -> None:
        if self._fleet.state == STARTING and self._fleet.all_open:
            self._fleet.state = READY
            port, management_port = self._listener.getsockname()[1], self._management.port
            log_ready(self._log, self._settings, port, management_port, self._examples)

    def _bury_all(self) -> list[tuple[WorkerProcess, int]]:
        """Take note of every worker that has ended; returns them with their exit codes."""
        by_pid = {worker.pid: worker for worker in self._fleet.workers}
        buried = []
        # As process 1 we are also the parent of processes that nobody else waits for.
        for pid, code in _ended_processes():
            worker = by_pid.get(pid)
            if worker:
                worker.close()
                self._fleet.remove(worker)
                self._log("worker_ended", worker=worker.number, worker_pid=pid, exit_code=code)
                buried.append((worker, code))
        return buried

    def _plan_restart(self, worker: WorkerProcess) -> None:
        """Start it again after a pause, which doubles while it keeps ending."""
        lived = time.monotonic() - worker.started
        last = 0.0 if lived > _PROVEN_SECONDS else self._pauses.get(worker.number, 0.0)
        pause = min(max(2 * last, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._pauses[worker.number] = pause
        heapq.heappush(self._due, (time.monotonic() + pause, worker.number))

    def _drain(self, cause: signal.Signals) -> int:
        """Have all workers drain at the same time, and wait for them."""
        delay = drain_delay(self._settings, cause)
        self._fleet.state = DRAINING
        self._log("draining", signal=cause.name, delay_seconds=delay)
        self._listener.close()
        for worker in self._fleet.workers:
            worker.ask(orders.DRAIN, delay)
        self._wait(delay + 2 * self._settings.drain_timeout_seconds + _STOP_SECONDS)
        self._management.stop(timeout_seconds=1)
        self._log("stopped")
        return EXIT_OK

    def _fail(self, error: str) -> int:
        self._log("failed", error=error)
        self._kill_all()
        return EXIT_FAILED

    def _wait(self, seconds: float) -> None:
        """Wait until all workers have ended; those that have not by then are killed."""
        end = time.monotonic() + seconds
        while self._fleet.workers:
            try:
                event = self._inbox.get(max(0.0, end - time.monotonic()))
            except queue.Empty:
                return self._kill_all()
            if event == signal.SIGCHLD:
                self._bury_all()
        return None

    def _kill_all(self) -> None:
        for worker in self._fleet.workers:
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)


def _ended_processes() -> Iterator[tuple[int, int]]:
    """Wait for every child that has ended: its process id and exit code, below 0 for a signal."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _describe_end(worker: WorkerProcess, code: int) -> str:
    return f"worker {worker.number} ended with exit code {code} before it was ready"
