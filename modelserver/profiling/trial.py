"""A real server in a process of its own, with settings to try."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.02


class TrialFailed(Exception):
    """The server did not become ready; the message says what it said."""


class Trial:
    """Runs a server from `with` to its end.

    Args:
        models: what it serves.
        settings: setting name to value.

    Raises:
        TrialFailed: on entering, when it does not become ready.
    """

    def __init__(self, models: Path, settings: Mapping[str, object]) -> None:
        flags = {
            "models": models,
            "host": "127.0.0.1",
            "port": 0,
            "management_port": 0,
            "drain_delay_seconds": 0,
            **settings,
        }
        self._command = [sys.executable, "-m", "modelserver"]
        for name, value in flags.items():
            self._command += [f"--{name.replace('_', '-')}", str(value)]
        self.address = ("", 0)
        self.load_seconds = 0.0

    def __enter__(self) -> Self:
        # Into a file: a pipe that nobody reads fills up and stops the server.
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "log"
        started = time.monotonic()
        with path.open("w") as writing:
            self._process = subprocess.Popen(
                self._command, stdout=writing, stderr=subprocess.STDOUT
            )
        self._log = path.open()
        url = urlsplit(self._wait_until_ready())
        self.load_seconds = time.monotonic() - started
        self.address = (str(url.hostname), int(url.port or 0))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_STOP_SECONDS)
        self._close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """What the server has used of processors so far."""
        fields = self._status("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The most memory that was resident at a time."""
        for line in self._status("status").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def _wait_until_ready(self) -> str:
        """Read the log until it says where the server listens."""
        said = ""
        while True:
            ended = self._process.poll() is not None
            for line in self._log.read().splitlines():
                event = json.loads(line) if line.startswith("{") else {"error": line}
                if event.get("event") == "ready":
                    return str(event["url"])
                said = event.get("error", said)
            if ended:
                self._close()
                raise TrialFailed(said.strip() or "the server ended without a word")
            time.sleep(_POLL_SECONDS)

    def _close(self) -> None:
        self._log.close()
        self._folder.cleanup()

    def _status(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()
