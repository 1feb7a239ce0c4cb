"""The progress bar: drawn on a terminal, one line elsewhere."""

import io

import pytest

from converters.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_line_when_piped() -> None:
    """A log file gets one line per step, not a thousand redraws."""
    stream = io.StringIO()
    with Progress("training", 100, stream) as progress:
        for _ in range(100):
            progress.advance()
    assert stream.getvalue().startswith("training: done in ")
    assert stream.getvalue().count("\n") == 1


def test_bar_on_a_terminal() -> None:
    """A person sees how far the step has come."""
    stream = Terminal()
    with Progress("training", 2, stream) as progress:
        progress.advance()
    assert "training: [##############..............]  50 %" in stream.getvalue()


def test_stopped_steps_say_so() -> None:
    """A step that raised is not reported as done."""
    stream = io.StringIO()
    with pytest.raises(KeyError), Progress("training", 2, stream):
        raise KeyError
    assert "stopped" in stream.getvalue()
    assert "done" not in stream.getvalue()
