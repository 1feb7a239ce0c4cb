"""What the loop of the Waitress front answers itself."""

import json
from typing import Any

import pytest

from modelserver.http import waitress_turns
from modelserver.scoring import Scoring
from tests.modelserver.http.conftest import Scored
from tests.modelserver.http.test_front_scoring import SUM, post, quick, rows, sums

__all__ = ["quick", "sums"]  # fixtures

LARGE = post(SUM, json.dumps(rows([4, 5, 6])).encode() + b" " * 80_000)  # goes to a thread


@pytest.fixture
def kind() -> str:
    """The name of the front."""
    return "waitress"


@pytest.mark.parametrize("held", [True, False])
def test_busy_model_is_waited_for(
    quick: Scored, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quick model that a thread runs is waited for a moment, or one thread would bring others."""
    monkeypatch.setattr(waitress_turns, "_HOLD_SECONDS", 60.0 if held else 0.0)
    gate, ask = quick.hold("sum"), Scoring.will_be_quick

    def look(*arguments: Any) -> bool:
        gate.open()  # the loop has found the model busy
        return ask(*arguments)

    monkeypatch.setattr(Scoring, "will_be_quick", look)
    with quick.connect() as one, quick.connect() as other:
        one.send(LARGE)
        gate.await_run()
        other.send(post(SUM, rows([1, 2, 3])))
        assert other.read().json["predictions"] == [[6]]
        assert one.read().json["predictions"] == [[15]]
    threads = [quick.next_record()["thread"] for _ in range(2)]
    assert ("http" in threads) is held
