"""Models are read from skops; pickles only when told to, and never by accident."""

import argparse
import pickle
from pathlib import Path
from typing import Any

import joblib
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from converters.errors import ConverterError, UnsupportedModel, UsageError
from converters.sklearn.model_files import load_estimator


@pytest.fixture
def model() -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])


class Bomb:
    """Creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_skops(model: LinearRegression, tmp_path: Path) -> None:
    """A model of scikit-learn's own types is read from skops without more ado."""
    skops.io.dump(model, tmp_path / "m.skops")
    loaded, notes = load_estimator(tmp_path / "m.skops")
    assert loaded.coef_ == pytest.approx([2.0])
    assert notes == []


def test_unknown_types(model: LinearRegression, tmp_path: Path) -> None:
    """Foreign types in a skops file are listed, with the flags that let them in."""
    model.extra = argparse.Namespace(depth=1)
    skops.io.dump(model, tmp_path / "m.skops")
    with pytest.raises(UnsupportedModel, match=r"--trust argparse\.Namespace"):
        load_estimator(tmp_path / "m.skops")
    loaded, _ = load_estimator(tmp_path / "m.skops", trusted=["argparse.Namespace"])
    assert loaded.extra.depth == 1


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_pickles_are_not_touched(suffix: str, tmp_path: Path) -> None:
    """Without --allow-pickle not a byte of a pickle is loaded; the message says why."""
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(UsageError, match="runs whatever code its author put in"):
        load_estimator(path, trusted=["everything"])
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("dump", [joblib.dump, lambda m, p: p.write_bytes(pickle.dumps(m))])
def test_allowed_pickles(dump: Any, model: LinearRegression, tmp_path: Path) -> None:
    """With --allow-pickle both kinds of pickles are read."""
    dump(model, tmp_path / "m.pkl")
    loaded, _ = load_estimator(tmp_path / "m.pkl", allow_pickle=True)
    assert loaded.coef_ == pytest.approx([2.0])


def test_another_version_is_noted(model: LinearRegression, tmp_path: Path) -> None:
    """A model that another scikit-learn fitted is read, and that is said."""
    state = model.__getstate__() | {"_sklearn_version": "0.1"}
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(_Restored(state)))
    loaded, notes = load_estimator(tmp_path / "old.pkl", allow_pickle=True)
    assert type(loaded) is LinearRegression
    assert "version 0.1" in notes[0]


class _Restored:
    """Pickles as a LinearRegression with a given state."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return LinearRegression, (), self.state


@pytest.mark.parametrize("name", ["m.skops", "m.joblib"])
def test_damage(name: str, tmp_path: Path) -> None:
    """A damaged file is named, without a traceback."""
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(ConverterError, match=f"{name}: cannot be loaded") as caught:
        load_estimator(tmp_path / name, allow_pickle=True)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(("name", "said"), [("m.skops", "no such file"), ("m.h5", "ends with")])
def test_wrong_files(name: str, said: str, tmp_path: Path) -> None:
    """Missing files and foreign suffixes are a matter of usage."""
    if said == "ends with":
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=said):
        load_estimator(tmp_path / name)
