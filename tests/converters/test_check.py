"""`python -m converters check`: proves an artefact on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from converters.__main__ import main


def test_good_artefact_passes(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound artefact is described and the exit code is 0."""
    assert main(["check", str(linear_artefact)]) == 0
    assert "answered as recorded" in capsys.readouterr().out


def test_repository_is_checked_whole(
    linear_artefact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A repository stands for every artefact in it."""
    assert main(["check", str(linear_artefact.parent.parent)]) == 0
    assert "sum version 1" in capsys.readouterr().out


def test_damage_is_named(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file gives exit code 4 and a message with its name."""
    with (linear_artefact / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert main(["check", str(linear_artefact)]) == 4
    assert "model.onnx: expected 115 bytes, got 116" in capsys.readouterr().err


def test_parity_is_repeated(
    linear_artefact: Path, capsys: pytest.CaptureFixture[str], reseal: Any
) -> None:
    """`check` compares with the original model's answers again, not only with the golden pair."""
    parity = json.loads((linear_artefact / "parity.json").read_text())
    parity["outputs"]["y"][0][0] += 0.5
    reseal(linear_artefact, "parity.json", json.dumps(parity))
    assert main(["check", str(linear_artefact)]) == 4
    assert "differs from the original model by 0.5" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["missing", ""])
def test_nothing_there_is_said(
    tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without artefacts is a wrong argument, not a success with nothing checked."""
    assert main(["check", str(tmp_path / path)]) == 2
    assert "no such folder" in (err := capsys.readouterr().err) or "no artefact" in err
