"""One line per event on standard output; never inputs, predictions or keys."""

import contextlib
import functools
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, TextIO

from modelserver.jsontext import encode_json

Log = Callable[..., None]
"""Called as `log("event", field=value, ...)`."""


class LineLog:
    """Writes events as lines; safe to call from any thread.

    Args:
        form: "json" for one JSON object a line, "text" for a person at a terminal.
        stream: where to write; standard output by default.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        form: str = "json",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._format = _as_json if form == "json" else _as_text
        self._clock = clock
        self._lock = threading.Lock()

    def __call__(self, event: str, **fields: Any) -> None:
        """Write one event with its fields."""
        now = self._clock()
        line = self._format(f"{_second(int(now))}.{int(now * 1000) % 1000:03d}Z", event, fields)
        # A closed pipe or a full disk must not fail the request that is being logged.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(line)
            self._stream.flush()


@functools.lru_cache(maxsize=1)
def _second(number: int) -> str:
    """A second since the epoch, written out; many lines share one."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(number))


def _as_json(now: str, event: str, fields: dict[str, Any]) -> str:
    values = {"time": now, "event": event, **fields}
    try:
        return encode_json(values).decode() + "\n"
    except TypeError:  # a file name that is not UTF-8, or an object from a library
        return json.dumps(values, default=str) + "\n"


def _as_text(now: str, event: str, fields: dict[str, Any]) -> str:
    there = {name: value for name, value in fields.items() if value is not None}
    texts = {name: str(value).encode(errors="replace").decode() for name, value in there.items()}
    # A value with several words goes on a line of its own, so that it can be copied whole.
    short = [f"{name}={text}" for name, text in texts.items() if len(text.split()) == 1]
    long = [f"\n    {name}: {text}" for name, text in texts.items() if len(text.split()) > 1]
    return " ".join([now[11:19], event, *short]) + "".join(long) + "\n"


class _ForwardingHandler(logging.Handler):
    """Turns records of the standard logging module into events."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log(
            "library_message",
            level=record.levelname.lower(),
            logger=record.name,
            message=record.getMessage(),
        )


def capture_library_logs(log: Log) -> None:
    """Send what libraries report through `logging` (warnings and worse) to our log."""
    root = logging.getLogger()
    root.handlers[:] = [_ForwardingHandler(log)]
    root.setLevel(logging.WARNING)
    # Pillow's warnings quote the file, and Python remembers every different text for ever.
    warnings.filterwarnings("ignore", module=r"PIL\.")
