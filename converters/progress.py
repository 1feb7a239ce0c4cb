"""A progress bar on standard error for steps that take longer than a glance."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_WIDTH = 28


class Progress:
    """Shows how far a step has come: a redrawn bar on a terminal, one line when done elsewhere.

    Args:
        label: what is being done, such as "training".
        total: number of `advance` steps that make up the whole.
        stream: where to draw; standard error by default, so that output can be piped.
    """

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self.label = label
        self.total = max(total, 1)
        self.done = 0
        self._stream = stream if stream is not None else sys.stderr
        self._redraw = self._stream.isatty()
        self._started = time.monotonic()
        self._drawn = -1

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = time.monotonic() - self._started
        outcome = "done" if error is None else "stopped"
        start = "\r\x1b[K" if self._redraw else ""
        self._stream.write(f"{start}{self.label}: {outcome} in {seconds:.1f} s\n")
        self._stream.flush()

    def advance(self, steps: int = 1) -> None:
        """Count finished steps and redraw the bar when its length or percentage changed."""
        self.done = min(self.done + steps, self.total)
        self._draw()

    def _draw(self) -> None:
        percent = 100 * self.done // self.total
        if not self._redraw or percent == self._drawn:
            return
        self._drawn = percent
        filled = _WIDTH * self.done // self.total
        bar = "#" * filled + "." * (_WIDTH - filled)
        self._stream.write(f"\r{self.label}: [{bar}] {percent:3d} %")
        self._stream.flush()
