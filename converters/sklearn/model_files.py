"""Reads fitted scikit-learn models from files, without running code that the file brings along."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters.errors import ConverterError, UnsupportedModel, UsageError
from converters.frameworks import load_framework

SKOPS = ".skops"
PICKLES = (".joblib", ".pickle", ".pkl")

_PICKLE_RISK = (
    "is a pickle: loading it runs whatever code its author put in, with your rights. If you made "
    "it yourself or trust its author as you trust a program, add --allow-pickle. Better, save the "
    "model as skops, which cannot run code: skops.io.dump(model, 'model.skops')"
)


def load_estimator(
    path: Path, allow_pickle: bool = False, trusted: Sequence[str] = ()
) -> tuple[Any, list[str]]:
    """Load a model.

    Args:
        path: a .skops, .joblib, .pkl or .pickle file.
        allow_pickle: whether pickles may be loaded.
        trusted: types beyond scikit-learn's own that a skops file may hold.

    Returns:
        The model, and warnings that loading it gave, such as another scikit-learn version.

    Raises:
        UsageError: there is no such file, or it may not be loaded this way.
        UnsupportedModel: a skops file holds types that are not trusted.
        ConverterError: the file is damaged or needs a package that is not installed.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    if path.suffix not in (SKOPS, *PICKLES):
        raise UsageError(f"{path}: expected a file that ends with {', '.join((SKOPS, *PICKLES))}")
    if path.suffix in PICKLES and not allow_pickle:
        raise UsageError(f"{path}: {_PICKLE_RISK}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = _load_skops(path, trusted) if path.suffix == SKOPS else _load_pickle(path)
        except ConverterError:
            raise
        # A damaged or foreign file can raise anything.
        except Exception as error:
            kind = type(error).__name__
            raise ConverterError(f"{path}: cannot be loaded: {kind}: {error}") from error
    return model, sorted({str(one.message).split("\n")[0] for one in caught})


def _load_skops(path: Path, trusted: Sequence[str]) -> Any:
    skops = load_framework("skops.io", "converters")
    unknown = sorted(set(skops.get_untrusted_types(file=path)) - set(trusted))
    if unknown:
        flags = " ".join(f"--trust {name}" for name in unknown)
        raise UnsupportedModel(
            f"{path}: holds types that are not scikit-learn's own: {', '.join(unknown)}. "
            f"If you know them, add {flags}"
        )
    return skops.load(path, trusted=list(trusted))


def _load_pickle(path: Path) -> Any:
    return load_framework("joblib", "converters").load(path)
