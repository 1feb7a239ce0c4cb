"""Which HTTP front answers on the scoring port."""

import socket
from importlib import import_module
from typing import Protocol

from modelserver.errors import SettingsError
from modelserver.http.limits import Limits
from modelserver.http.waitress_front import WaitressFront
from modelserver.scoring import Scoring
from modelserver.wsgi import Wsgi


class Front(Protocol):
    """A listening port, as the service sees it."""

    @property
    def port(self) -> int:
        """The port that is really listened on."""

    def start(self) -> None:
        """Begin to listen and to answer."""

    def announce_stop(self) -> None:
        """Close each connection after its next answer, so that clients move on."""

    def stop(self, timeout_seconds: float) -> None:
        """Send what is still to be sent, then close everything."""


class MakeFront(Protocol):
    """How a front is made."""

    def __call__(
        self,
        app: Wsgi,
        scoring: Scoring | None,
        listener: socket.socket,
        *,
        threads: int,
        limits: Limits,
    ) -> Front:
        """Make a front; see WaitressFront."""


def choose_front(name: str) -> MakeFront:
    """The front of a name.

    Args:
        name: "waitress" or "asyncio".

    Raises:
        SettingsError: its libraries are not installed.
    """
    if name == "waitress":
        return WaitressFront
    try:
        module = import_module("modelserver.http.asyncio_front")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"http_server asyncio needs the package {error.name}; install modelserver with the "
            "extra `fast`: pip install 'modelserver[fast]'"
        ) from error
    front: MakeFront = module.AsyncioFront
    return front
