"""`python -m modelserver profile`, with real servers and few of them."""

import re
from pathlib import Path

import pytest

from modelserver.__main__ import main
from modelserver.commands import profile
from modelserver.profiling import load
from tests.modelserver.ticks import Ticks


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One candidate and two numbers of callers instead of dozens of measurements, by ticks."""
    settings = [{"http_server": "waitress", "model_threads": 1, "max_batch_rows": 1}]
    monkeypatch.setattr(profile, "CALLERS", (1, 2))
    monkeypatch.setattr(profile, "candidates", lambda cpus, rows: settings)
    monkeypatch.setattr(load, "time", Ticks())


def run(models: Path, out: Path, goal: str = "60000", seconds: str = "0.2") -> int:
    """Run the command with short measurements."""
    files = ["--values", str(out / "values.yaml"), "--drawing", str(out / "p.svg")]
    return main(["profile", "--models", str(models), "--seconds", seconds, "--goal", goal, *files])


@pytest.mark.usefixtures("few")
def test_a_values_file(
    faq_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was measured is shown, the knee once more, and the files are written."""
    assert run(faq_models, tmp_path) == 0
    printed = capsys.readouterr()
    assert "2 callers: " in printed.err
    assert printed.out.startswith("Knee      http server waitress, model threads 1")
    # The file promises what the confirming runs found, not the look that was chosen.
    ((callers, found),) = re.findall(r"(\d) callers at a time, 5 runs: (.*)", printed.out)
    assert re.search(f"Confirmed  .*, {callers} callers: {re.escape(found)}\n", printed.err)
    values = (tmp_path / "values.yaml").read_text()
    assert f"# {re.search('p99 .*', found)[0]} (goal 60000 ms)" in values  # type: ignore[index]
    assert "  httpServer: waitress\n" in values
    assert (tmp_path / "p.svg").read_text().startswith("<svg")


@pytest.mark.usefixtures("few")
def test_a_goal_out_of_reach(
    faq_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When nothing is fast enough there are no values, and the picture shows by how much."""
    assert run(faq_models, tmp_path, goal="0.000001") == 1
    assert "no measurement reached a p99" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["p.svg"]


@pytest.mark.usefixtures("few")
def test_nothing_is_answered(
    faq_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that takes longer than a measurement gets no values, but the way to measure it."""
    assert run(faq_models, tmp_path, seconds="0.000001") == 1
    assert "no answer came in 1e-06 s; give more --seconds" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_model_at_a_time(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A repository of several models is refused: values are those of one release."""
    assert run(models, tmp_path) == 1
    assert "name one of them" in capsys.readouterr().err


def test_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without models is named."""
    assert run(tmp_path / "none", tmp_path) == 1
    assert "none" in capsys.readouterr().err


@pytest.mark.usefixtures("few")
def test_a_damaged_model(
    faq_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the server says when it refuses to start is passed on."""
    folder = tmp_path / "faq" / "1"
    (folder / "example").mkdir(parents=True)
    for path in (faq_models / "faq" / "1").rglob("*"):
        if path.is_file():
            (folder / path.relative_to(faq_models / "faq" / "1")).write_bytes(path.read_bytes())
    (folder / "model.onnx").write_bytes(b"nothing")
    assert run(folder, tmp_path) == 1
    assert "model.onnx" in capsys.readouterr().err
