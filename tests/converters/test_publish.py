"""Publishing: nothing becomes visible unless the server's own code agrees with the original."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import ConverterError, ParityFailed, UnsupportedModel
from converters.parity import Examples, compare
from converters.publish import Place, Publication, publish
from converters.report import Report
from modelserver.model import ServedModel

ROWS = [[1.0, 2.0, 3.0], [0.5, 0.25, 0.125]]
SUMS = np.array([[6.0], [0.875]], np.float32)


@pytest.fixture
def publication(linear_onnx: bytes) -> Publication:
    return Publication(
        task="tensor",
        onnx_model=linear_onnx,
        golden_request={"instances": ROWS},
        examples=Examples(ROWS, {"y": SUMS}, tolerance=1e-6),
    )


def put(publication: Publication, repository: Path, **place: Any) -> Path:
    chosen = Place.choose(str(repository), place.get("name", "sum"), place.get("version"))
    return publish(publication, chosen, Report("test"))


def test_artefact_holds_everything(publication: Publication, tmp_path: Path) -> None:
    """A published artefact has the model, the golden pair, parity examples and the report."""
    folder = put(publication, tmp_path)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "manifest.json",
        "model.onnx",
        "example/request.json",
        "example/response.json",
        "parity.json",
        "report.json",
        "report.md",
    }
    response = json.loads((folder / "example/response.json").read_text())
    assert response == {"predictions": [[6.0], [0.875]]}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parity"] == {"compared": 2, "largest": 0.0, "tolerance": 1e-6}


def test_versions_count_up(publication: Publication, tmp_path: Path) -> None:
    """Without a version, the next free number is taken."""
    assert [put(publication, tmp_path).name for _ in range(3)] == ["1", "2", "3"]


def test_existing_version_is_refused(publication: Publication, tmp_path: Path) -> None:
    """An artefact is immutable: a version that exists is never written again."""
    put(publication, tmp_path, version=4)
    with pytest.raises(ConverterError, match="is not a new version"):
        put(publication, tmp_path, version=4)


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "ä", "a" * 64])
def test_bad_names_are_refused(publication: Publication, tmp_path: Path, name: str) -> None:
    """A model name that the server would not take is refused with the rule."""
    with pytest.raises(ConverterError, match="expected 1 to 63"):
        put(publication, tmp_path, name=name)


def test_parity_failure_leaves_no_trace(publication: Publication, tmp_path: Path) -> None:
    """A model that answers otherwise than its original is not published, not even its folder."""
    wrong = Examples(ROWS, {"y": SUMS + np.float32(0.01)}, tolerance=1e-6)
    with pytest.raises(ParityFailed, match=r"differs from the original by up to 0\.01"):
        put(dataclasses.replace(publication, examples=wrong), tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


def test_unservable_model_leaves_no_trace(publication: Publication, tmp_path: Path) -> None:
    """What the server could not load is refused at conversion, not at the first request."""
    with pytest.raises(UnsupportedModel, match="ONNX Runtime cannot load it"):
        put(dataclasses.replace(publication, onnx_model=b"no model"), tmp_path / "models")
    assert list(tmp_path.iterdir()) == []


def test_same_input_same_bytes(
    publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SOURCE_DATE_EPOCH, publishing twice gives the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = put(publication, tmp_path / "a"), put(publication, tmp_path / "b")
    for path in sorted(first.rglob("*")):
        if path.is_file() and path.name not in ("report.json", "report.md", "manifest.json"):
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()
    created = json.loads((first / "manifest.json").read_text())["created"]
    assert created == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("got", "largest"),
    [
        pytest.param({"y": SUMS}, 0.0, id="equal"),
        pytest.param({"y": SUMS + np.float32(0.5)}, 0.5, id="apart"),
        pytest.param({"y": np.full((2, 1), np.nan)}, float("nan"), id="nan"),
        pytest.param({"y": np.zeros((2, 2))}, float("inf"), id="other shape"),
    ],
)
def test_comparison(linear_artefact: Path, got: dict[str, np.ndarray], largest: float) -> None:
    """Parity is the largest absolute difference; NaN and another shape never pass."""
    model = ServedModel.load(linear_artefact, threads=1)
    parity = compare(model, Examples(ROWS, got, tolerance=0.1))
    assert parity.largest == pytest.approx(largest, nan_ok=True)
    assert parity.holds == (largest == 0.0)


def test_stored_examples_are_few_and_short() -> None:
    """An artefact keeps only as many parity examples as are small; long ones are left out."""
    texts = ["short"] * 10 + ["x" * 200_000] + ["short"] * 10
    kept = Examples(texts, {"p": np.zeros((21, 10_000))}, 1e-5).shortened()
    assert kept.instances == ["short"] * 5
    assert kept.outputs["p"].shape == (5, 10_000)
