"""One of several processes that share the scoring port.

`python -m modelserver.workers.worker LISTENER CHANNEL`, where both are inherited file descriptors.
The supervisor starts it and tells it everything over the channel; a person never does.
"""

import contextlib
import dataclasses
import functools
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from modelserver.allocator import return_large_blocks
from modelserver.ending import end_process
from modelserver.errors import ArtefactError, NotFound
from modelserver.logs import LineLog, capture_library_logs
from modelserver.service import SIGNALS
from modelserver.serving import Serving
from modelserver.settings import Settings
from modelserver.workers import orders
from modelserver.workers.channel import Channel

_EXIT_FAILED = 1


class Worker:
    """Scores as it is told.

    Args:
        listener: the bound socket of the scoring port, which all workers share.
        channel: to the supervisor.
        settings: how to behave.
        number: which worker this is, for the log.
    """

    def __init__(
        self, listener: socket.socket, channel: Channel, settings: Settings, number: int
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._log = functools.partial(LineLog(settings.log_format), worker=number)
        # What the main thread does, one after the other; an exit code ends it.
        self._steps: queue.SimpleQueue[Callable[[], int | None]] = queue.SimpleQueue()
        self._open = False
        self._serving = Serving(settings, self._log, listener, changed=self._tell_models)

    def run(self) -> int:
        """Load, serve, drain; returns the exit code. Must run in the main thread."""
        # A terminal or a service manager may signal every process; the supervisor decides for all.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        capture_library_logs(self._log)
        return_large_blocks()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        self._serving.start_loading(self._loaded)
        while True:
            code = self._steps.get()()
            if code is not None:
                return code

    def _loaded(self, error: ArtefactError | None) -> None:
        if error:
            self._steps.put(functools.partial(self._fail, error))
        else:
            self._channel.send({"event": orders.LOADED, "examples": self._serving.examples()})

    def _fail(self, error: ArtefactError) -> int:
        self._channel.send({"event": orders.FAILED, "error": str(error)})
        return _EXIT_FAILED

    def _listen(self) -> None:
        """Obey until the supervisor ends, which ends this process too."""
        while message := self._channel.receive():
            if message["order"] == orders.OPEN:
                self._obey(message)  # before the orders that follow it
            else:
                # Each in its own thread, because a model may take minutes to load.
                threading.Thread(target=self._obey, args=(message,), daemon=True).start()
        self._drain_later(0.0)

    def _obey(self, message: dict[str, Any]) -> None:
        obey: dict[str, Callable[..., Any]] = {
            orders.OPEN: self._open_without,
            orders.DRAIN: self._drain_later,
            orders.METRICS: self._metrics,
            orders.INDEX: lambda: [dataclasses.asdict(e) for e in self._serving.reloader.index()],
            orders.LOAD: self._serving.reloader.load,
            orders.UNLOAD: self._serving.reloader.unload,
        }
        answer: dict[str, Any] = {"id": message["id"]}
        try:
            answer["result"] = obey[message["order"]](*message["arguments"])
        except Exception as error:
            answer["error"] = orders.pack_error(error)
            if answer["error"]["code"] == "internal_error":
                self._serving.access.failed("", error)
        self._channel.send(answer)

    def _open_without(self, unloaded: Sequence[str]) -> None:
        """Have connections taken, without the models that were unloaded by order."""
        for name in unloaded:
            # Its folder may be gone by now.
            with contextlib.suppress(NotFound):
                self._serving.reloader.unload(name)
        self._serving.open()
        self._tell_models()
        self._steps.put(self._begin)

    def _drain_later(self, delay_seconds: float) -> None:
        self._steps.put(functools.partial(self._drain, delay_seconds))

    def _begin(self) -> None:
        """Take connections."""
        self._serving.http.start()
        self._open = True
        self._channel.send({"event": orders.OPENED})

    def _drain(self, delay_seconds: float) -> int:
        """Finish what was accepted, which is nothing before connections are taken."""
        self._serving.start_draining()
        self._log("draining", delay_seconds=delay_seconds)
        if self._open:
            self._serving.drain(delay_seconds)
        return os.EX_OK

    def _metrics(self) -> list[Any]:
        return [family.to_json() for family in self._serving.metrics.families()]

    def _tell_models(self) -> None:
        """Tell what is served now."""
        scorer = self._serving.scorer
        models = [f"{model.name}/{model.version}" for model in scorer.repository]
        self._channel.send({"event": orders.MODELS, "ready": scorer.ready, "models": models})


def main(arguments: Sequence[str]) -> int:
    """Run a worker; returns its exit code."""
    listener, end = (socket.socket(fileno=int(number)) for number in arguments)
    channel = Channel(end)
    first = channel.receive()
    if first is None:  # the supervisor ended meanwhile
        return os.EX_OK
    return Worker(listener, channel, Settings(**first["settings"]), first["worker"]).run()


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
