"""`python -m modelserver check`: says whether this machine would serve a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelserver.__main__ import main
from tests.conftest import publish_linear


def test_good_artefact(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound artefact is described and the exit code is 0."""
    assert main(["check", str(linear_artefact)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"GOOD     {linear_artefact}\n")
    assert "sum version 1, task tensor" in out
    assert "answered as recorded; largest deviation 0" in out
    assert "CPUExecutionProvider" in out
    assert out.endswith("1 of 1 would be served\n")


def test_all_of_a_repository(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every artefact is checked, also behind one that is refused."""
    repository = linear_artefact.parent.parent
    publish_linear(repository, version=2)
    publish_linear(repository, version=3)
    with (repository / "sum" / "2" / "model.onnx").open("ab") as file:
        file.write(b"x")
    assert main(["check", str(repository)]) == 1
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == [
        "GOOD",
        "REFUSED",
        "GOOD",
        "2",
    ]
    assert "sum/2/model.onnx: expected 115 bytes, got 116" in out
    assert out.endswith("2 of 3 would be served\n")


def test_wrong_golden_answer(
    linear_artefact: Path, capsys: pytest.CaptureFixture[str], reseal: Any
) -> None:
    """A machine that does not answer as recorded is named with both numbers."""
    golden = json.loads((linear_artefact / "example/response.json").read_text())
    golden["predictions"][0][0] += 1
    reseal(linear_artefact, "example/response.json", json.dumps(golden))
    assert main(["check", str(linear_artefact)]) == 1
    assert "does not answer as recorded" in capsys.readouterr().out


def test_folder_of_another_name(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The names of the folders count, as they do for the server."""
    linear_artefact.rename(linear_artefact.parent / "7")
    assert main(["check", str(linear_artefact.parent.parent)]) == 1
    assert "holds sum version 1; the folder must be sum/1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing", "."])
def test_nothing_there(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without artefacts is refused, not a success with nothing checked."""
    assert main(["check", str(tmp_path / name)]) == 1
    assert capsys.readouterr().out.startswith("REFUSED  ")


def test_cuda_is_not_replaced(linear_artefact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A check for a GPU does not pass on the CPU."""
    if main(["check", str(linear_artefact), "--device", "cuda"]) == 0:
        pytest.skip("this machine has a GPU")
    assert "device cuda was asked for" in capsys.readouterr().out
