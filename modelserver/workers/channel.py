"""Messages between the supervisor and a worker: a JSON object a line over a pair of sockets."""

import contextlib
import socket
import threading
from typing import Any

from modelserver.jsontext import decode_json, encode_json


class Channel:
    """One end; `send` may be called from any thread, `receive` from one.

    Args:
        end: one socket of a pair.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lines = end.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; the other end may be gone, which `receive` tells."""
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(encode_json(message) + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """Wait for a message; None when the other process has ended."""
        try:
            line = self._lines.readline()
        except OSError:
            return None
        # A process that is killed in the middle of a message leaves a part of it.
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = decode_json(line)
        return message

    def close(self) -> None:
        """Have the other end's `receive` tell that this one is gone."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self._socket.close()
