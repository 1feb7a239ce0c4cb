"""The outputs of an exported scikit-learn model: their names, shapes, and the original's answers.

N rows of a sample.
"""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector

from converters.errors import ConverterError, UnsupportedModel
from converters.sklearn.inputs import Sample
from modelserver.errors import ServingError
from modelserver.runtime import OnnxModel

Arrays = dict[str, npt.NDArray[Any]]
Answers = dict[str, Callable[[Any], Any]]

_RAW = "{}_raw"
_TRIED_ROWS = 100


def answers_of(model: Any) -> Answers:
    """Name what the ONNX outputs hold, in skl2onnx's order, and how to ask the original for it.

    Raises:
        UnsupportedModel: the model answers nothing.
    """
    if is_classifier(model) and hasattr(model, "predict_proba"):
        return {"label": model.predict, "probabilities": model.predict_proba}
    if is_classifier(model) or is_outlier_detector(model):
        return {"label": model.predict, "scores": model.decision_function}
    if is_clusterer(model) and hasattr(model, "transform"):
        return {"label": model.predict, "distances": model.transform}
    if hasattr(model, "predict"):
        return {"prediction": model.predict}
    if hasattr(model, "transform"):
        return {"features": model.transform}
    raise UnsupportedModel(
        f"{type(model).__name__} has none of predict_proba, predict and transform: "
        "there is nothing to serve"
    )


def ask(answers: Answers, sample: Sample) -> Arrays:
    """Collect the original's answers to the sample: arrays [N, ...] by name.

    Raises:
        ConverterError: the model is not fitted, or the sample does not fit it.
        UnsupportedModel: the model answers several outputs at once.
    """
    rows = sample.original_input()
    found = {}
    for name, answer in answers.items():
        try:
            with warnings.catch_warnings():
                # Columns were put in the model's order, so their names need not go along.
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                values = answer(rows)
        # Estimators raise anything on rows that they were not fitted for.
        except Exception as error:
            raise ConverterError(
                f"the model cannot answer the sample: {type(error).__name__}: {error}"
            ) from error
        if isinstance(values, list):
            raise UnsupportedModel("the model predicts several targets: export one model for each")
        found[name] = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    return found


def raw_names(names: list[str], sample: Sample) -> list[str]:
    """Choose the names that skl2onnx gives the outputs, before `finish_outputs`.

    Raises:
        ConverterError: an input has the name of an output.
    """
    for one in sample.inputs:
        if one.name in names or one.name in map(_RAW.format, names):
            raise ConverterError(
                f"an input cannot be named {one.name!r}, which is the name of an output; "
                "rename the column of the sample"
            )
    return [_RAW.format(name) for name in names]


def finish_outputs(proto: onnx.ModelProto, originals: Arrays, sample: Sample) -> Arrays:
    """Name the outputs, declare the shapes they really have, and shape the originals alike.

    Args:
        proto: a model with outputs named as `raw_names` says; is changed.
        originals: what `ask` returned.
        sample: rows to run.

    Returns:
        The originals, with the shapes that the exported model gives.
    """
    raw = _run(proto, sample)
    finished = {}
    for output, (name, values) in zip(proto.graph.output, originals.items(), strict=True):
        array = raw[output.name]
        if values.ndim == 1 and array.shape[1:] == (2,):
            # skl2onnx scores both of two classes, and for SVC in the wrong order.
            column = _nearest_column(array, values)
            index = numpy_helper.from_array(np.array([column]), f"{name}_column")
            proto.graph.initializer.append(index)
            _append(proto, "Gather", [output.name, index.name], name, axis=1)
            array = array[:, [column]]
        else:
            _append(proto, "Identity", [output.name], name)
        kind = output.type.tensor_type.elem_type
        row_shape = array.shape[1:]
        output.CopyFrom(helper.make_tensor_value_info(name, kind, [None, *row_shape]))
        finished[name] = _shaped(values, row_shape)
    return finished


def _append(
    proto: onnx.ModelProto, op_type: str, inputs: list[str], output: str, **attributes: Any
) -> None:
    node = helper.make_node(op_type, inputs, [output], f"{output}_named", **attributes)
    proto.graph.node.append(node)


def _run(proto: onnx.ModelProto, sample: Sample) -> Arrays:
    """Run some rows of the sample through the server's own runtime."""
    feeds = {one.name: one.values[:_TRIED_ROWS] for one in sample.inputs}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(proto.SerializeToString())
            return OnnxModel(path, threads=1).run(feeds)
    except ServingError as error:
        raise UnsupportedModel(f"the exported model does not run: {error}") from error


def _nearest_column(array: npt.NDArray[Any], values: npt.NDArray[Any]) -> int:
    differences = np.abs(array - values[: len(array), None]).max(axis=0)
    return int(np.argmin(differences))


def _shaped(values: npt.NDArray[Any], row_shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Reshape [N] or [N, K] to [N, *row_shape] where that only adds or drops an axis of one."""
    if np.size(values[0]) != np.prod(row_shape):
        return values
    return values.reshape(len(values), *row_shape)
