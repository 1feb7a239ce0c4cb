"""Estimators of all kinds are exported with friendly outputs that equal the original's."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from converters.errors import ConverterError, UnsupportedModel, UsageError
from converters.sklearn.graph import ConvertedModel, convert
from converters.sklearn.inputs import Sample, make_sample, parse_declaration

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(120, 4)).astype(np.float32).astype(np.float64)
TWO = (ROWS[:, 0] > 0).astype(int)
THREE = np.array(["low", "middle", "high"], object)[np.digitize(ROWS[:, 1], [-0.5, 0.5])]
PRICES = ROWS[:, 0] * 1000
TEXTS = ["copy an array", "parse json", "the cat", "naïve café", "json array", ""] * 4
TEXT_CLASSES = [0, 1, 2, 2, 1, 0] * 4

CLASSIFIED = ("label", "probabilities")
SCORED = ("label", "scores")
ESTIMATORS = {
    "logistic, two": (LogisticRegression(), TWO, CLASSIFIED),
    "logistic, texts as classes": (LogisticRegression(), THREE, CLASSIFIED),
    "linear svc, two": (LinearSVC(), TWO, SCORED),
    "linear svc, in a pipeline": (make_pipeline(StandardScaler(), LinearSVC()), THREE, SCORED),
    "svc, two": (SVC(), TWO, SCORED),
    "svc, three": (SVC(), THREE, SCORED),
    "ridge classifier, two": (RidgeClassifier(), TWO, SCORED),
    "forest": (RandomForestClassifier(10, random_state=0), THREE, CLASSIFIED),
    "boosting": (GradientBoostingClassifier(n_estimators=10), TWO, CLASSIFIED),
    "histogram boosting": (HistGradientBoostingClassifier(max_iter=5), THREE, CLASSIFIED),
    "neighbours": (KNeighborsClassifier(), THREE, CLASSIFIED),
    "bayes": (GaussianNB(), THREE, CLASSIFIED),
    "one against the rest": (OneVsRestClassifier(LogisticRegression()), THREE, CLASSIFIED),
    "calibrated": (CalibratedClassifierCV(LinearSVC(), cv=3), THREE, CLASSIFIED),
    "stacked": (
        StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2),
        THREE,
        CLASSIFIED,
    ),
    "ridge": (Ridge(), PRICES, ("prediction",)),
    "two targets": (LinearRegression(), np.column_stack([PRICES, -PRICES]), ("prediction",)),
    "forest of numbers": (RandomForestRegressor(10, random_state=0), PRICES, ("prediction",)),
    "histogram of numbers": (HistGradientBoostingRegressor(max_iter=5), PRICES, ("prediction",)),
    "clusters": (KMeans(3, random_state=0, n_init=1), None, ("label", "distances")),
    "outliers": (IsolationForest(n_estimators=10, random_state=0), None, SCORED),
    "scaler": (StandardScaler(), None, ("features",)),
    "components": (make_pipeline(StandardScaler(), PCA(2)), None, ("features",)),
}


def run(converted: ConvertedModel, sample: Sample) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(converted.onnx_model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    feeds = {one.name: one.values for one in sample.inputs}
    arrays = dict(zip(names, session.run(names, feeds), strict=True))
    for output in session.get_outputs():
        assert output.shape[1:] == list(arrays[output.name].shape[1:])
    return arrays


def assert_equal(arrays: dict[str, np.ndarray], converted: ConvertedModel) -> None:
    assert arrays.keys() == converted.outputs.keys()
    for name, expected in converted.outputs.items():
        got = arrays[name]
        assert got.shape == expected.shape
        if got.dtype.kind == "f":
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * scale)
        else:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("model", "target", "names"), ESTIMATORS.values(), ids=list(ESTIMATORS))
def test_estimators(
    model: Any, target: Any, names: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """Outputs have plain names and true shapes, and hold what the original's methods return."""
    model.fit(ROWS, target)
    sample = make_sample(model, {"x": ROWS.tolist()}, {})
    converted = convert(model, sample)
    assert tuple(converted.outputs) == names
    assert_equal(run(converted, sample), converted)
    assert capfd.readouterr().err == ""
    assert converted.labels == (
        model.classes_.tolist() if "label" in names[:1] and target is not None else None
    )


@pytest.mark.parametrize("kind", ["LGBMClassifier", "LGBMRegressor"])
def test_lightgbm(kind: str) -> None:
    """LightGBM's estimators are exported, alone and within pipelines."""
    lightgbm = pytest.importorskip("lightgbm")
    pytest.importorskip("onnxmltools")
    target = THREE if kind == "LGBMClassifier" else PRICES
    booster = getattr(lightgbm, kind)(n_estimators=5, verbose=-1, n_jobs=1)
    for model in (booster, make_pipeline(StandardScaler(), booster)):
        model.fit(ROWS, target)
        sample = make_sample(model, {"x": ROWS.tolist()}, {})
        converted = convert(model, sample)
        assert_equal(run(converted, sample), converted)


TEXT_MODELS = {
    "words": make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LogisticRegression()
    ),
    "union": make_pipeline(
        FeatureUnion([("w", CountVectorizer()), ("c", TfidfVectorizer(analyzer="char_wb"))]),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("model", TEXT_MODELS.values(), ids=list(TEXT_MODELS))
@pytest.mark.parametrize(
    ("columns", "declared"),
    [
        ({"question": TEXTS}, {}),
        ({"question": TEXTS, "price": ["1"] * 24}, {}),
        ({"x": TEXTS}, {"question": "string"}),
        ({"a": TEXTS[::-1], "question": TEXTS}, {"question": "string"}),
    ],
    ids=["one column", "one of texts", "renamed", "chosen"],
)
def test_texts(model: Any, columns: Any, declared: Any) -> None:
    """A model of texts takes one text a row, whichever way the sample names it."""
    model.fit(TEXTS, TEXT_CLASSES)
    sample = make_sample(model, columns, declared)
    assert [(one.name, one.values.shape) for one in sample.inputs] == [
        (next(iter(declared or {"question": ""})), (24,))
    ]
    assert sample.instances() == TEXTS
    converted = convert(model, sample)
    assert_equal(run(converted, sample), converted)


def test_columns_of_different_types() -> None:
    """A table of texts and numbers becomes one input for each column."""
    columns = ColumnTransformer(
        [("t", TfidfVectorizer(), 0), ("n", StandardScaler(), [1]), ("k", OneHotEncoder(), [2])]
    )
    model = make_pipeline(columns, LogisticRegression())
    kinds = ["x", "y", "z"] * 8
    table = np.array(list(zip(TEXTS, range(24), kinds, strict=True)), dtype=object)
    model.fit(table, TEXT_CLASSES)
    sample = make_sample(model, {"text": TEXTS, "price": [*range(24)], "kind": kinds}, {})
    assert [(one.name, one.type) for one in sample.inputs] == [
        ("text", "string"),
        ("price", "float"),
        ("kind", "string"),
    ]
    assert sample.instances()[1] == {"text": ["parse json"], "price": [1.0], "kind": ["y"]}
    converted = convert(model, sample)
    assert_equal(run(converted, sample), converted)


def test_table_of_texts() -> None:
    """Columns that are all texts become one input."""
    model = OneHotEncoder().fit([["a", "b"], ["c", "d"]])
    sample = make_sample(model, {"left": ["a", "c"], "right": ["b", "d"]}, {})
    assert sample.instances() == [["a", "b"], ["c", "d"]]
    converted = convert(model, sample)
    assert_equal(run(converted, sample), converted)


def test_whole_numbers_when_declared() -> None:
    """Numbers are float unless declared otherwise."""
    model = OneHotEncoder().fit([[1], [2]])
    for declared, kind in (({}, "float"), ({"size": "int64"}, "int64")):
        sample = make_sample(model, {"size": ["1", "2"]}, declared)
        assert sample.inputs[0].type == kind
        assert sample.instances() == [[1], [2]]


def test_columns_the_model_was_fitted_on() -> None:
    """Further columns of the sample, such as the target, are left out; the order is the model's."""
    model = LinearRegression().fit(ROWS[:, :2], PRICES)
    model.feature_names_in_ = np.array(["b", "a"], dtype=object)
    sample = make_sample(model, {"a": [1, 2], "target": ["x", "y"], "b": [3, 4]}, {})
    assert sample.instances() == [[3.0, 1.0], [4.0, 2.0]]


def test_original_gets_what_the_server_gets() -> None:
    """The original is asked with numbers of the precision that reaches the exported model."""
    model = LinearRegression().fit(ROWS, PRICES)
    rows = make_sample(model, {"x": [[0.1, 0.2, 0.3, 0.4]]}, {}).original_input()
    assert rows.dtype == np.float64
    assert rows[0, 0] == np.float64(np.float32(0.1))


class Custom(BaseEstimator):
    """A step that skl2onnx has never heard of."""

    def fit(self, X: Any, y: Any = None) -> "Custom":
        return self

    def transform(self, X: Any) -> Any:
        return X

    def __sklearn_is_fitted__(self) -> bool:
        return True


REFUSED = {
    "no ONNX converter is known for Custom": (make_pipeline(Custom(), LogisticRegression()), TWO),
    "DBSCAN has none of": (DBSCAN(), None),
    "several targets": (MultiOutputClassifier(LogisticRegression()), np.column_stack([TWO, TWO])),
    "skl2onnx cannot convert": (FunctionTransformer(np.sin), None),
}


@pytest.mark.parametrize("said", REFUSED)
def test_refused(said: str) -> None:
    """A model that cannot be exported exactly is refused with the part that is to blame."""
    model, target = REFUSED[said]
    model.fit(ROWS, target)
    with pytest.raises(UnsupportedModel, match=said):
        convert(model, make_sample(model, {"x": ROWS.tolist()}, {}))


def test_not_a_model() -> None:
    """What is no estimator at all is refused."""
    with pytest.raises(UnsupportedModel, match="a dict is not a scikit-learn model"):
        convert({}, make_sample({}, {"x": [[1.0]]}, {}))


BAD_SAMPLES = {
    "no column 'b'": ({"a": ["1"]}, {"b": "float"}, UsageError),
    "column 'a' is not all float": ({"a": ["1", "x"]}, {"a": "float"}, ConverterError),
    "column 'n' is not all float: a value is missing": ({"n": ["1", ""]}, {}, ConverterError),
    "column 'a' is not all int64": ({"a": ["1.5"]}, {"a": "int64"}, ConverterError),
    "column 't' is not all string": ({"t": ["x", None]}, {}, ConverterError),
    "column 'x' is not all float: setting an array": (
        {"x": [[1.0], [1.0, 2.0]]},
        {},
        ConverterError,
    ),
    "cannot answer the sample: ValueError": ({"x": [[1.0, 2.0]]}, {}, ConverterError),
    "an input cannot be named 'label'": ({"x": ROWS.tolist()}, {"label": "float"}, ConverterError),
}


@pytest.mark.parametrize("said", BAD_SAMPLES)
def test_bad_samples(said: str) -> None:
    """A sample that does not fit is refused with the column and the reason."""
    columns, declared, kind = BAD_SAMPLES[said]
    model = LogisticRegression().fit(ROWS, TWO)
    with pytest.raises(ConverterError, match=said) as caught:
        convert(model, make_sample(model, columns, declared))
    assert type(caught.value) is kind


def test_two_columns_of_texts() -> None:
    """Where the sample leaves open which texts are meant, the user has to say it."""
    model = TEXT_MODELS["words"].fit(TEXTS, TEXT_CLASSES)
    with pytest.raises(UsageError, match="choose one with --inputs"):
        make_sample(model, {"title": TEXTS, "body": TEXTS}, {})


@pytest.mark.parametrize("text", ["question", "question:", ":string", "question:text"])
def test_declarations(text: str) -> None:
    """A declaration is NAME:TYPE; the message lists the types."""
    assert parse_declaration("a:b:float") == ("a:b", "float")
    with pytest.raises(UsageError, match="string, float, double, int64, bool"):
        parse_declaration(text)
