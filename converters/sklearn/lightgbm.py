"""LightGBM within scikit-learn pipelines, through the converters of onnxmltools."""

from typing import Any

from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from converters.frameworks import load_framework


def register_lightgbm_converters() -> None:
    """Make skl2onnx know LGBMClassifier and LGBMRegressor.

    Raises:
        UsageError: LightGBM or onnxmltools is not installed.
    """
    lightgbm = load_framework("lightgbm", "lightgbm")
    tools: Any = load_framework(
        "onnxmltools.convert.lightgbm.operator_converters.LightGbm", "lightgbm"
    )
    update_registered_converter(
        lightgbm.LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        tools.convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        lightgbm.LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        tools.convert_lightgbm,
        options={"split": None},
    )
