"""Exported vectorizers answer like scikit-learn, or are refused by name."""

from typing import Any

import numpy as np
import onnx
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from converters.errors import UnsupportedModel
from converters.graph_parts import OPSETS
from converters.text.graph import register_text_converters

OPTIONS = {
    "words": TfidfVectorizer(),
    "words 1-2, sublinear": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    "words of the FAQ model": TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, lowercase=False
    ),
    "characters of the FAQ model": TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, min_df=2, lowercase=False
    ),
    "l1": TfidfVectorizer(norm="l1", ngram_range=(2, 2)),
    "no norm": TfidfVectorizer(norm=None, smooth_idf=False),
    "no idf": TfidfVectorizer(use_idf=False),
    "no idf, no norm, sublinear": TfidfVectorizer(use_idf=False, norm=None, sublinear_tf=True),
    "binary": TfidfVectorizer(binary=True, ngram_range=(1, 2)),
    "float32": TfidfVectorizer(dtype=np.float32),
    "few features": TfidfVectorizer(max_features=7, max_df=0.5, min_df=2),
    "stop words": TfidfVectorizer(stop_words="english"),
    "stop words, 1-2": TfidfVectorizer(stop_words=["the", "a", "of"], ngram_range=(1, 2)),
    "accents": TfidfVectorizer(strip_accents="unicode"),
    "token pattern": TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2)),
    "counts": CountVectorizer(),
    "counts, binary": CountVectorizer(binary=True, ngram_range=(1, 3)),
    "char": TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True),
    "char_wb 1-1": CountVectorizer(analyzer="char_wb"),
    "char_wb 2-4": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
    "char_wb 6-8": CountVectorizer(analyzer="char_wb", ngram_range=(6, 8), lowercase=False),
    "vocabulary that holds marks": CountVectorizer(
        vocabulary=["", " ", "\x00", "\x01", "\x02", "\x01\x02", "a", "a b", "null", "\ud800"],
        analyzer="char",
        ngram_range=(1, 3),
    ),
    "vocabulary that no word is in": CountVectorizer(
        vocabulary=["o b", "\n", "ab", "  ", " a ", " to ", "abcdefgh"],
        analyzer="char_wb",
        ngram_range=(4, 5),
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _converters() -> None:
    register_text_converters()


def export(model: Any, columns: int | None = None) -> onnx.ModelProto:
    shape = [None] if columns is None else [None, columns]
    options = {id(model[-1]): {"zipmap": False}} if isinstance(model, Pipeline) else None
    proto = convert_sklearn(
        model,
        "test",
        initial_types=[("text", StringTensorType(shape))],
        target_opset=OPSETS,
        options=options,
    )
    onnx.checker.check_model(proto)
    return proto


@pytest.mark.parametrize("vectorizer", OPTIONS.values(), ids=list(OPTIONS))
def test_equals_scikit_learn(vectorizer: Any, nasty_texts: list[str], run_onnx: Any) -> None:
    """Each combination of options gives scikit-learn's features for every hostile text."""
    expected = vectorizer.fit_transform(nasty_texts).toarray()
    (features,) = run_onnx(export(vectorizer), nasty_texts)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, rtol=1e-6, atol=1e-6)


def test_neighbours_do_not_matter(nasty_texts: list[str], run_onnx: Any) -> None:
    """A text gets bit by bit the same features alone and in any company."""
    model = export(OPTIONS["words 1-2, sublinear"].fit(nasty_texts))
    (together,) = run_onnx(model, nasty_texts)
    (backwards,) = run_onnx(model, nasty_texts[::-1])
    alone = np.concatenate([run_onnx(model, [text])[0] for text in nasty_texts[:12]])
    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(together[:12], alone)


def test_empty_batch(nasty_texts: list[str], run_onnx: Any) -> None:
    """No texts give no rows, with the right number of columns."""
    vectorizer = OPTIONS["words"].fit(nasty_texts)
    (features,) = run_onnx(export(vectorizer), [])
    assert features.shape == (0, len(vectorizer.vocabulary_))


PIPELINES = {
    "classifier": make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression()),
    "counts, then weights": make_pipeline(
        CountVectorizer(ngram_range=(1, 2)),
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(),
    ),
    "counts, then l1": make_pipeline(
        CountVectorizer(), TfidfTransformer(norm="l1", use_idf=False), LogisticRegression()
    ),
    "counts, then no norm": make_pipeline(
        CountVectorizer(max_features=20), TfidfTransformer(norm=None), LogisticRegression(C=0.01)
    ),
    "union": make_pipeline(
        FeatureUnion(
            [
                ("words", TfidfVectorizer(ngram_range=(1, 2))),
                ("more words", TfidfVectorizer()),
                ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))),
            ]
        ),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=list(PIPELINES))
def test_pipelines(pipeline: Pipeline, nasty_texts: list[str], run_onnx: Any) -> None:
    """The vectorizers work within pipelines that skl2onnx converts, several of them too."""
    short = [text for text in nasty_texts if len(text) < 1000]
    pipeline.fit(short, [number % 3 for number in range(len(short))])
    labels, probabilities = run_onnx(export(pipeline), short)
    np.testing.assert_array_equal(labels, pipeline.predict(short))
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(short), atol=1e-5)


def test_columns_of_a_table(nasty_texts: list[str], run_onnx: Any) -> None:
    """A vectorizer takes one column of a table of texts."""
    short = [text for text in nasty_texts if len(text) < 1000]
    table = np.array(list(zip(short, short[::-1], strict=True)), dtype=object)
    columns = ColumnTransformer([("a", TfidfVectorizer(), 0), ("b", CountVectorizer(), 1)])
    pipeline = make_pipeline(columns, LogisticRegression())
    pipeline.fit(table, [number % 2 for number in range(len(short))])
    model = export(pipeline, columns=2)
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    _, probabilities = session.run(None, {"text": table})
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(table), atol=1e-5)


REFUSED = {
    "tokenizer": CountVectorizer(tokenizer=str.split, token_pattern=None),
    "preprocessor": TfidfVectorizer(preprocessor=str.lower),
    "analyzer": CountVectorizer(analyzer=str.split),
    "strip_accents": TfidfVectorizer(strip_accents=str.strip),
    "token_pattern": CountVectorizer(token_pattern=r"\b[a-z]+\b"),
}


@pytest.mark.parametrize("named", REFUSED)
def test_refused(named: str) -> None:
    """Options that need Python code are refused by name, with the way out."""
    vectorizer = REFUSED[named].fit(["some text", "more text"])
    with pytest.raises(UnsupportedModel) as caught:
        export(vectorizer)
    assert named in str(caught.value)
    assert "fit" in str(caught.value)


def test_files_are_refused() -> None:
    """A vectorizer that reads files would read the server's files: refused."""
    vectorizer = CountVectorizer(vocabulary=["a", "b"], input="filename")
    vectorizer.fixed_vocabulary_, vectorizer.vocabulary_ = True, {"a": 0, "b": 1}
    with pytest.raises(UnsupportedModel, match="input='content'"):
        export(vectorizer)


def test_vocabulary_order_is_free(run_onnx: Any) -> None:
    """Columns are those of the vocabulary, in whatever order it has them."""
    vectorizer = CountVectorizer(vocabulary={"zebra": 0, "ant": 2, "cow": 1})
    texts = ["ant zebra ant", "cow"]
    (features,) = run_onnx(export(vectorizer.fit(texts)), texts)
    np.testing.assert_array_equal(features, [[1, 0, 2], [0, 1, 0]])
