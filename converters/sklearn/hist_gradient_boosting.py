"""scikit-learn's histogram gradient boosting, through skl2onnx's own converter.

That converter writes Python booleans where ONNX wants integers, which newer protobuf refuses.
"""

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from skl2onnx.operator_converters.random_forest import (
    convert_sklearn_random_forest_classifier,
    convert_sklearn_random_forest_regressor_converter,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


def register_hist_gradient_boosting() -> None:
    """Make skl2onnx use the converters of this module in place of its own."""
    update_registered_converter(
        HistGradientBoostingClassifier,
        "ModelServerHistGradientBoostingClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_classifier,
        options={
            "zipmap": [True, False, "columns"],
            "raw_scores": [True, False],
            "output_class_labels": [False, True],
            "nocl": [True, False],
        },
    )
    update_registered_converter(
        HistGradientBoostingRegressor,
        "ModelServerHistGradientBoostingRegressor",
        calculate_linear_regressor_output_shapes,
        _convert_regressor,
        options={"raw_scores": [True, False]},
    )


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    convert_sklearn_random_forest_classifier(scope, operator, _PlainIntegers(container))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    convert_sklearn_random_forest_regressor_converter(scope, operator, _PlainIntegers(container))


class _PlainIntegers:
    """skl2onnx's collector of nodes, but with integers in place of booleans in attributes."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        plain = {name: _plain(value) for name, value in attributes.items()}
        return self._container.add_node(*arguments, **plain)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [int(one) if isinstance(one, bool | np.bool_) else one for one in value]
    return value
