"""The running service of one process: start, load, serve, drain, stop."""

import os
import signal
from collections.abc import Mapping

from modelserver import __version__
from modelserver.access import Access
from modelserver.allocator import return_large_blocks
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.http.listener import bind
from modelserver.http.waitress_front import WaitressFront
from modelserver.inbox import Inbox
from modelserver.logs import Log, capture_library_logs
from modelserver.management import Managed, OneProcess, create_management_app
from modelserver.serving import Serving, front_limits, url_of
from modelserver.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""What stops the service."""

EXIT_OK, EXIT_FAILED = 0, 1

_MANAGEMENT_THREADS = 4  # an order to load takes one of them for as long as it lasts
_MANAGEMENT_CONNECTIONS = 100
_MANAGEMENT_BODY_BYTES = 1024


class Service:
    """The running parts of one process.

    Args:
        settings: how to behave.
        log: where events go.
    """

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        # What the main thread reacts to: all is loaded, an error, or a signal.
        self._inbox = Inbox[ArtefactError | None]()

    def run(self) -> int:
        """Load, serve, drain; returns the exit code. Must run in the main thread."""
        # A handler of our own also makes the signals count for PID 1, which has no default one.
        self._inbox.listen(SIGNALS)
        if os.getpid() == 1:
            # Processes whose parent has ended become ours; the kernel then clears them away.
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        capture_library_logs(self._log)
        return_large_blocks()
        self._log("starting", version=__version__, cpus=available_cpus(), pid=os.getpid())
        settings = self._settings
        try:
            serving = Serving(settings, self._log, bind(settings.host, settings.port))
            managed = OneProcess(serving.scorer, serving.metrics, serving.reloader)
            management = listen_management(settings, managed, serving.access)
        except OSError as error:
            self._log("failed", error=str(error))
            return EXIT_FAILED
        management.start()
        serving.http.start()
        serving.start_loading(self._inbox.put)
        code = self._serve(serving, management)
        if code == EXIT_OK:
            management.stop(timeout_seconds=1)
            self._log("stopped")
        return code

    def _serve(self, serving: Serving, management: WaitressFront) -> int:
        """Serve until a signal comes or the models turn out to be bad."""
        event = self._inbox.get()
        if event is None:
            serving.open()
            ports = serving.http.port, management.port
            log_ready(self._log, self._settings, *ports, serving.examples())
            event = self._inbox.get()
        if isinstance(event, signal.Signals):
            delay = drain_delay(self._settings, event)
            # Before it is said: who reads of it may look at once.
            serving.start_draining()
            self._log("draining", signal=event.name, delay_seconds=delay)
            serving.drain(delay)
            return EXIT_OK
        self._log("failed", error=str(event))
        return EXIT_FAILED


def listen_management(settings: Settings, managed: Managed, access: Access) -> WaitressFront:
    """Take the management port.

    Raises:
        OSError: it cannot be taken.
    """
    # Never in one loop with scoring: a probe must not wait for a model.
    return WaitressFront(
        create_management_app(managed, access),
        None,
        bind(settings.host, settings.management_port),
        threads=_MANAGEMENT_THREADS,
        limits=front_limits(settings, _MANAGEMENT_BODY_BYTES, _MANAGEMENT_CONNECTIONS),
    )


def drain_delay(settings: Settings, cause: signal.Signals) -> float:
    """How many seconds requests are still taken after a signal."""
    # Ctrl-C comes from a person, who has no load balancer and does not want to wait.
    return 0.0 if cause == signal.SIGINT else settings.drain_delay_seconds


def log_ready(
    log: Log, settings: Settings, port: int, management_port: int, examples: Mapping[str, str]
) -> None:
    """Say that requests are answered, and how to ask."""
    url, management_url = url_of(settings, port), url_of(settings, management_port)
    log("ready", url=url, management_url=management_url, **examples)
