"""The command `sklearn`: from a model file and a sample to an artefact that serves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from converters.__main__ import main
from modelserver.model import ServedModel

ROWS = np.random.default_rng(1).normal(size=(40, 2))
TEXTS = ["copy an array", "parse json", "the cat", "naïve café"] * 3


@pytest.fixture
def regression(tmp_path: Path) -> dict[str, Path]:
    """A model, a sample and a repository, as the command wants them."""
    model = LinearRegression().fit(ROWS, ROWS @ [2e6, 3e6])
    skops.io.dump(model, tmp_path / "m.skops")
    np.save(tmp_path / "rows.npy", ROWS)
    return {"model": tmp_path / "m.skops", "sample": tmp_path / "rows.npy", "to": tmp_path / "r"}


def command(files: dict[str, Path], *more: str) -> list[str]:
    sample, to = str(files["sample"]), str(files["to"])
    return [
        "sklearn",
        str(files["model"]),
        "--sample",
        sample,
        "--name",
        "m",
        "--output",
        to,
        *more,
    ]


def test_numbers(regression: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of numbers: the artefact loads, and large outputs may differ as much as float32 does."""
    assert main(command(regression)) == 0
    printed = capsys.readouterr().out
    assert "equal within tolerance" in printed
    assert f"python -m modelserver --models {regression['to']}" in printed
    model = ServedModel.load(regression["to"] / "m/1", threads=1)
    prediction = model.score([[1.0, 1.0]], {})
    assert prediction == [[pytest.approx(5e6)]]


@pytest.mark.parametrize("classes", [[5, 6, 7, 8], ["copy", "parse", "cat", "Café ☕"]])
def test_texts(classes: list[Any], tmp_path: Path) -> None:
    """Texts from JSON lines, classes as labels, and answers for words beyond ASCII."""
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression())
    skops.io.dump(model.fit(TEXTS, classes * 3), tmp_path / "m.skops")
    lines = [json.dumps({"id": 1, "text": text}) + "\n" for text in [*TEXTS, "", "NAÏVE"]]
    (tmp_path / "texts.jsonl").write_text("".join(lines), "utf-8")
    files = {"model": tmp_path / "m.skops", "sample": tmp_path / "texts.jsonl", "to": tmp_path}
    assert main(command(files, "--inputs", "text:string")) == 0
    served = ServedModel.load(tmp_path / "m/1", threads=1)
    assert served.task.describe() == {"labels": sorted(classes)}
    (prediction,) = served.score(["NAÏVE café?"], {})
    assert prediction["label"] == classes[3]
    expected = model.predict_proba(["NAÏVE café?"])[0]
    assert prediction["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)


FAILURES: dict[str, tuple[list[str], int, str]] = {
    "pickle": (["--sample", "{rows}", "{pickle}"], 2, "--allow-pickle"),
    "no file": (["--sample", "{rows}", "{to}/none.skops"], 2, "no such file"),
    "no sample": (["--sample", "{to}/none.csv", "{model}"], 2, "no such file"),
    "type": (
        ["--sample", "{rows}", "--inputs", "x:text", "--", "{model}"],
        2,
        "expected NAME:TYPE",
    ),
    "tolerance": (["--sample", "{rows}", "--tolerance", "0", "{model}"], 2, "above 0"),
    "parity": (["--sample", "{rows}", "--tolerance", "1e-12", "{model}"], 4, "differs"),
}


@pytest.mark.parametrize(("given", "code", "said"), FAILURES.values(), ids=list(FAILURES))
def test_failures_leave_nothing(
    given: list[str],
    code: int,
    said: str,
    regression: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be done ends with its exit code and a reason, and leaves no trace."""
    places: dict[str, Any] = {"rows": regression["sample"], "pickle": regression["model"]}
    (regression["to"].parent / "m.pkl").touch()
    places |= {"pickle": regression["to"].parent / "m.pkl", **regression}
    arguments = [one.format(**places) for one in given]
    assert main(["sklearn", "--name", "m", "--output", str(regression["to"]), *arguments]) == code
    assert said in capsys.readouterr().err
    assert not regression["to"].exists()
