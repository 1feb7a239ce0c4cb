"""The log: one line per event, readable by machines, and never in the way of a request."""

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelserver.logs import LineLog, capture_library_logs

NEW_YEAR = 1767225599.9996  # 2025-12-31T23:59:59.9996Z


def written(form: str = "json", event: str = "tested", **fields: Any) -> str:
    stream = io.StringIO()
    LineLog(form, stream, clock=lambda: NEW_YEAR)(event, **fields)
    return stream.getvalue()


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root of standard logging, put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level


def test_json_line() -> None:
    """An event is one JSON object on one line: time, event, then the fields in order."""
    line = written(status=200, text="a\nb", nothing=None)
    assert line == (
        '{"time":"2025-12-31T23:59:59.999Z","event":"tested",'
        '"status":200,"text":"a\\nb","nothing":null}\n'
    )


@pytest.mark.parametrize(
    "value",
    ["\x00\x1b[31m", "\u2028\u2029", "naïve 漢字 🙂", '"quotes" and \\', "", "a" * 100_000],
    ids=["controls", "separators", "unicode", "quotes", "empty", "long"],
)
def test_any_text_stays_on_one_line(value: str) -> None:
    """No text can end a line early, because a forged line would look like an event."""
    line = written(value=value)
    assert re.findall("[\x00-\x1f]", line) == ["\n"]
    assert json.loads(line)["value"] == value


@pytest.mark.parametrize(
    "value",
    ["\ud800", 2**64, Path("models"), {1, 2}, {1: 2}, b"\xff"],
    ids=["surrogate", "huge", "path", "set", "number-key", "bytes"],
)
@pytest.mark.parametrize("form", ["json", "text"])
def test_odd_values_are_written_too(form: str, value: object) -> None:
    """A value that JSON has no form for still gives a line: file names need not be UTF-8."""
    line = written(form, error="something else", value=value)
    assert line.endswith("\n")
    assert "something else" in line
    line.encode()
    if form == "json":
        assert json.loads(line)["event"] == "tested"


def test_text_line() -> None:
    """For people, short values follow the event, long ones stand alone, to be copied whole."""
    line = written(
        "text", event="ready", url="http://localhost", command="curl -s x", code="", model=None
    )
    assert line == "23:59:59 ready url=http://localhost\n    command: curl -s x\n"


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError("I/O operation on closed file")])
def test_lost_output_is_survived(error: Exception) -> None:
    """A closed pipe behind standard output does not fail the request that is being logged."""

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    LineLog("json", Broken())("tested")


def test_lines_of_threads_do_not_mix() -> None:
    """Threads that log at once write whole lines."""
    stream = io.StringIO()
    log = LineLog("json", stream)
    threads = [
        threading.Thread(target=lambda n=n: [log("tested", thread=n, at=i) for i in range(200)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert sorted((row["thread"], row["at"]) for row in seen) == [
        (n, i) for n in range(8) for i in range(200)
    ]


def test_library_warnings_become_events(root_logger: logging.Logger) -> None:
    """Warnings of libraries become events; their chatter below that is dropped."""
    events: list[tuple[str, dict[str, Any]]] = []
    capture_library_logs(lambda event, **fields: events.append((event, fields)))
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("%d of them", 3)
    assert events == [
        (
            "library_message",
            {"level": "warning", "logger": "some.library", "message": "3 of them"},
        )
    ]
