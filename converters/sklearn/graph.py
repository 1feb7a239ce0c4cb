"""Any fitted scikit-learn model to ONNX, with the original's answers to the same rows."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from skl2onnx import convert_sklearn, get_model_alias
from skl2onnx.common._registration import get_converter
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline

from converters.errors import ConverterError, UnsupportedModel
from converters.graph_parts import IR_VERSION, OPSETS
from converters.sklearn.hist_gradient_boosting import register_hist_gradient_boosting
from converters.sklearn.inputs import Sample
from converters.sklearn.lightgbm import register_lightgbm_converters
from converters.sklearn.outputs import Arrays, answers_of, ask, finish_outputs, raw_names
from converters.text.graph import register_text_converters

PRODUCER = "modelserver converters"


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """An exported model and what the original says to the sample.

    Args:
        onnx_model: the model.
        outputs: name of each ONNX output to the original's array [N, ...].
        labels: the classes of a classifier, in the order of its probabilities; else None.
    """

    onnx_model: onnx.ModelProto
    outputs: Arrays
    labels: list[Any] | None


def convert(model: Any, sample: Sample) -> ConvertedModel:
    """Export a model.

    Args:
        model: a fitted scikit-learn estimator or pipeline, or one of LightGBM.
        sample: rows that the model can answer.

    Raises:
        UnsupportedModel: a part of the model has no converter, or an option has no exact form.
        ConverterError: the model is not fitted or does not take the sample.
    """
    if not isinstance(model, BaseEstimator):
        raise UnsupportedModel(f"a {type(model).__name__} is not a scikit-learn model")
    answers = answers_of(model)
    originals = ask(answers, sample)
    proto = _export(model, sample, raw_names(list(answers), sample))
    outputs = finish_outputs(proto, originals, sample)
    labels = model.classes_.tolist() if is_classifier(model) else None
    return ConvertedModel(proto, outputs, labels)


def _export(model: Any, sample: Sample, outputs: list[str]) -> onnx.ModelProto:
    register_text_converters()
    register_hist_gradient_boosting()
    parts = list(_estimators(model))
    if any(type(part).__module__.startswith("lightgbm.") for part in parts):
        register_lightgbm_converters()
    options = {id(part): _options(part) for part in parts}
    try:
        with warnings.catch_warnings():
            # skl2onnx reads attributes that a later scikit-learn will drop.
            warnings.simplefilter("ignore")
            proto: onnx.ModelProto = convert_sklearn(
                model,
                "model",
                initial_types=[one.initial_type for one in sample.inputs],
                final_types=[(name, None) for name in outputs],
                target_opset=OPSETS,
                options=options,
                # Its own names would be those of our outputs.
                naming=lambda name, _: name if name in outputs else f"inner_{name}",
            )
    except ConverterError:
        raise
    except (MissingConverter, MissingShapeCalculator) as error:
        raise UnsupportedModel(_without_converter(parts)) from error
    # skl2onnx reports what it cannot do with a dozen unrelated types.
    except Exception as error:
        raise UnsupportedModel(
            f"skl2onnx cannot convert this model: {type(error).__name__}: {error}"
        ) from error
    proto.producer_name, proto.producer_version, proto.domain = PRODUCER, "", ""
    proto.ir_version = IR_VERSION
    opsets = sorted(proto.opset_import, key=lambda one: one.domain)
    del proto.opset_import[:]
    proto.opset_import.extend(opsets)
    return proto


def _estimators(model: Any) -> Iterator[Any]:
    """List a model and all that it is made of."""
    yield model
    if not hasattr(model, "get_params"):
        return
    for value in vars(model).values():
        for part in _flatten(value):
            if isinstance(part, BaseEstimator):
                yield from _estimators(part)


def _flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flatten(one)
    elif isinstance(value, dict):
        yield from _flatten(list(value.values()))
    else:
        yield value


def _options(model: Any) -> dict[str, Any]:
    """Switch ZipMap off where there is one; it raises where there is none."""
    if isinstance(model, Pipeline):
        return {}  # would be handed on to the last step
    try:
        allowed = get_converter(get_model_alias(type(model))).get_allowed_options()
    except (RuntimeError, ValueError):
        return {}
    return {"zipmap": False} if allowed and "zipmap" in allowed else {}


def _without_converter(parts: list[Any]) -> str:
    unknown = []
    for part in parts:
        try:
            get_converter(get_model_alias(type(part)))
        except (RuntimeError, ValueError):
            unknown.append(type(part).__name__)
    names = ", ".join(sorted(set(unknown))) or type(parts[0]).__name__
    return (
        f"no ONNX converter is known for {names}. Replace custom steps by scikit-learn's own, "
        "or do them before the request is sent, and fit the pipeline again"
    )
