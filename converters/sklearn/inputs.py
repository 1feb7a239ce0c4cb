"""The inputs of an exported scikit-learn model: which there are, of what type, and their values.

N rows of a sample, K columns of an input.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from converters.errors import ConverterError, UsageError
from converters.sample_files import MATRIX, Columns

TYPES: dict[str, tuple[Any, npt.DTypeLike]] = {
    "string": (StringTensorType, object),
    "float": (FloatTensorType, np.float32),
    "double": (DoubleTensorType, np.float64),
    "int64": (Int64TensorType, np.int64),
    "bool": (BooleanTensorType, np.bool_),
}
"""Name of a type on the command line to skl2onnx's type and numpy's."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the exported model.

    Args:
        name: its name.
        type: a key of TYPES.
        values: [N] single texts, or [N, K].
    """

    name: str
    type: str
    values: npt.NDArray[Any]

    @property
    def initial_type(self) -> tuple[str, Any]:
        """The declaration that skl2onnx wants: any number of rows."""
        return self.name, TYPES[self.type][0]([None, *self.values.shape[1:]])


@dataclass(frozen=True, slots=True)
class Sample:
    """Sample rows in the three forms that a conversion needs.

    Args:
        inputs: the exported model's inputs with their values.
        named: whether the original selects columns by name, and so wants a data frame.
    """

    inputs: Sequence[Input]
    named: bool

    def instances(self) -> list[Any]:
        """The rows as the server's tensor task takes them."""
        lists: dict[str, list[Any]] = {one.name: one.values.tolist() for one in self.inputs}
        if len(lists) == 1:
            return lists[self.inputs[0].name]
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]

    def original_input(self) -> Any:
        """The rows as the original model takes them, with the precision that the server has."""
        if self.named:
            columns = {one.name: one.values[:, 0] for one in self.inputs}
            return _data_frame(columns)
        if len(self.inputs) == 1:
            values = self.inputs[0].values
            return values.astype(np.float64) if values.dtype == np.float32 else values
        return np.concatenate([one.values.astype(object) for one in self.inputs], axis=1)


def parse_declaration(text: str) -> tuple[str, str]:
    """Read NAME:TYPE of `--inputs`.

    Raises:
        UsageError: the form or the type is another one.
    """
    name, separator, kind = text.rpartition(":")
    if not separator or not name or kind not in TYPES:
        raise UsageError(f"--inputs {text}: expected NAME:TYPE with a type of {', '.join(TYPES)}")
    return name, kind


def make_sample(model: Any, columns: Columns, declared: Mapping[str, str]) -> Sample:
    """Decide which inputs the exported model has.

    Columns that the model was not fitted on are left out. A text vectorizer gets one text per
    row; columns of one type become one input; columns of different types one input each.

    Args:
        model: the fitted model.
        columns: the sample.
        declared: name to type of inputs, in order; empty to take all from the sample.

    Raises:
        UsageError: a declared input is not in the sample.
        ConverterError: values do not fit their type, or the model misses a column.
    """
    named = _selects_by_name(model)
    chosen = _choose_columns(model, columns, declared)
    types = {name: declared.get(name) or _guess(values) for name, values in chosen.items()}
    arrays = {name: _to_array(name, types[name], values) for name, values in chosen.items()}
    if not named and len(set(types.values())) == 1:
        return Sample([_one_input(model, arrays, types)], named)
    inputs = [Input(name, types[name], _as_matrix(values)) for name, values in arrays.items()]
    return Sample(inputs, named)


def _choose_columns(model: Any, columns: Columns, declared: Mapping[str, str]) -> Columns:
    if list(columns) == [MATRIX] and len(declared) == 1:
        return {next(iter(declared)): columns[MATRIX]}
    fitted = getattr(model, "feature_names_in_", None)
    wanted = list(declared) or _text_columns(model, columns)
    if not wanted:
        wanted = list(columns) if fitted is None else fitted.tolist()
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise UsageError(
            f"the sample has no column {', '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, columns))}"
        )
    return {name: columns[name] for name in wanted}


def _text_columns(model: Any, columns: Columns) -> list[str]:
    """Find the texts for a model that takes one text a row; empty for other models."""
    if not _takes_texts(model) or list(columns) == [MATRIX]:
        return []
    texts = [name for name, values in columns.items() if _guess(values) == "string"]
    if len(texts) != 1:
        raise UsageError(
            f"the model takes one text a row and the sample has {len(texts)} columns of texts, of "
            f"{', '.join(map(repr, columns))}; choose one with --inputs NAME:string"
        )
    return texts


def _one_input(
    model: Any, arrays: Mapping[str, npt.NDArray[Any]], types: Mapping[str, str]
) -> Input:
    """Join columns of one type; several get the common name `x`."""
    first, kind = next(iter(types.items()))
    if len(arrays) > 1:
        joined = np.concatenate([_as_matrix(one) for one in arrays.values()], axis=1)
        return Input(MATRIX, kind, joined)
    values = arrays[first]
    return Input(first, kind, values if _takes_texts(model) else _as_matrix(values))


def _as_matrix(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values.reshape(len(values), -1)


def _data_frame(columns: Mapping[str, npt.NDArray[Any]]) -> Any:
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise UsageError(
            "the model selects columns by name, which takes a data frame: pip install pandas"
        ) from error
    return pandas.DataFrame(columns)


def _takes_texts(model: Any) -> bool:
    """Whether the first step is a text vectorizer, which takes a list of texts."""
    if isinstance(model, Pipeline):
        return _takes_texts(model.steps[0][1])
    if isinstance(model, FeatureUnion):
        return any(_takes_texts(one) for _, one in model.transformer_list)
    return isinstance(model, CountVectorizer)


def _selects_by_name(model: Any) -> bool:
    if isinstance(model, Pipeline):
        return _selects_by_name(model.steps[0][1])
    if not isinstance(model, ColumnTransformer):
        return False
    return any(
        isinstance(name, str)
        for _, _, chosen in model.transformers
        for name in ([chosen] if isinstance(chosen, str) else np.atleast_1d(chosen))
    )


def _guess(values: Sequence[Any]) -> str:
    """Numbers are float, whole ones too: the next request may bring others."""
    first = values[0]
    if isinstance(first, list):
        return _guess(first)
    if all(isinstance(value, bool) for value in values):
        return "bool"
    return "float" if all(_is_number(value) for value in values) else "string"


def _is_number(value: Any) -> bool:
    try:
        float("nan" if value in ("", None) else value)
    except (TypeError, ValueError):
        return False
    return True


def _to_array(name: str, kind: str, values: Sequence[Any]) -> npt.NDArray[Any]:
    convert = _CONVERT[kind]
    try:
        rows = [
            [convert(one) for one in value] if isinstance(value, list) else convert(value)
            for value in values
        ]
        return np.array(rows, dtype=TYPES[kind][1])
    except (TypeError, ValueError, OverflowError) as error:
        raise ConverterError(f"column {name!r} is not all {kind}: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r}")
    return value


def _number(value: Any) -> float:
    number = float("nan" if value in ("", None) else value)
    if not math.isfinite(number):
        raise ValueError("a value is missing or not finite, which JSON cannot say; leave it out")
    return number


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "float": _number,
    "double": _number,
    "int64": int,
    "bool": bool,
}
