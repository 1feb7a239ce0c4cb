"""The FAQ pipeline becomes one sparse graph that answers like it, and can be read back."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from converters.errors import ConverterError, UnsupportedModel
from converters.faq import sparse_head
from converters.faq.graph import export_faq_model, read_faq_model
from converters.faq.matcher import FaqMatcher
from modelserver.cleaning import clean_text

ROOT = Path(__file__).parents[3]


def faq_features(**weights: float) -> FeatureUnion:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, lowercase=False)
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, lowercase=False
    )
    return FeatureUnion(
        [("words", words), ("characters", characters)], transformer_weights=weights or None
    )


def random_pipeline(texts: list[str], faqs: int, share: float, **weights: float) -> Pipeline:
    """A pipeline whose FAQs have weights for about this share of all terms."""
    features = faq_features(**weights).fit(texts)
    terms = features.transform(texts[:1]).shape[1]
    random = np.random.default_rng(5)
    coef = sparse.random_array((faqs, terms), density=share, rng=random)
    coef.data = random.normal(0, 30, coef.nnz)
    matcher = FaqMatcher.from_parts(range(faqs), coef, random.normal(-3, 1, faqs))
    return Pipeline([("features", features), ("matcher", matcher)])


@pytest.fixture(scope="module")
def texts(nasty_texts: list[str]) -> list[str]:
    return [text[:20_000] for text in nasty_texts]


SHARES = {"no weights": 0.0, "posting lists": 0.02, "both": 0.12, "dense rows": 1.0}


@pytest.mark.parametrize("share", SHARES.values(), ids=list(SHARES))
def test_equals_scikit_learn(share: float, texts: list[str], run_onnx: Any) -> None:
    """Probabilities are the pipeline's, however densely the weights are filled."""
    pipeline = random_pipeline(texts, 40, share)
    (probabilities,) = run_onnx(export_faq_model(pipeline), texts)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(texts), rtol=0, atol=1e-5)


def test_fitted_matcher(texts: list[str], run_onnx: Any) -> None:
    """A matcher that was fitted, not put together, is exported as well."""
    pipeline = Pipeline([("features", faq_features()), ("matcher", FaqMatcher())])
    pipeline.fit(texts, [number // 3 for number in range(len(texts))])
    (probabilities,) = run_onnx(export_faq_model(pipeline), texts)
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(texts), rtol=0, atol=1e-5)


def test_signature(texts: list[str], capfd: pytest.CaptureFixture[str], run_onnx: Any) -> None:
    """One text in, one column per FAQ out, any batch; ONNX Runtime loads it without a word."""
    model = export_faq_model(random_pipeline(texts, 7, 0.1))
    onnx.checker.check_model(model)
    (question,), (probabilities,) = model.graph.input, model.graph.output
    assert (question.name, probabilities.name) == ("question", "probabilities")
    assert question.type.tensor_type.elem_type == onnx.TensorProto.STRING
    assert probabilities.type.tensor_type.shape.dim[1].dim_value == 7
    assert run_onnx(model, [])[0].shape == (0, 7)
    assert run_onnx(model, texts[:9])[0].shape == (9, 7)
    assert capfd.readouterr().err == ""
    assert model.ir_version <= 10
    assert all(entry.version <= 21 for entry in model.opset_import)


def test_neighbours_do_not_matter(texts: list[str], run_onnx: Any) -> None:
    """A question gets bit by bit the same answer alone and in any company."""
    model = export_faq_model(random_pipeline(texts, 30, 0.12))
    (together,) = run_onnx(model, texts)
    alone = np.concatenate([run_onnx(model, [text])[0] for text in texts])
    np.testing.assert_array_equal(together, alone)


ROUND_TRIPS = {
    "plain": lambda texts: random_pipeline(texts, 30, 0.12),
    "weighted": lambda texts: random_pipeline(texts, 5, 0.3, words=0.5, characters=2.0),
    "all posted": lambda texts: random_pipeline(texts, 50, 0.01),
    "all dense": lambda texts: random_pipeline(texts, 3, 1.0),
    "no weights": lambda texts: random_pipeline(texts, 3, 0.0),
    "one vectorizer": lambda texts: make_pipeline(
        CountVectorizer(stop_words=["the", "a"], ngram_range=(1, 2)), FaqMatcher()
    ).fit(texts, [number % 4 for number in range(len(texts))]),
    "named like a part": lambda texts: Pipeline(
        [
            ("a", FeatureUnion([("batch.", TfidfVectorizer(use_idf=False, norm="l1"))])),
            ("b", FaqMatcher()),
        ]
    ).fit(texts, [f"id {number % 4}" for number in range(len(texts))]),
}


@pytest.mark.parametrize("build", ROUND_TRIPS.values(), ids=list(ROUND_TRIPS))
def test_reads_back_exactly(build: Any, texts: list[str]) -> None:
    """The file is all that is needed: reading and exporting again gives the same bytes."""
    pipeline = build(texts)
    model = export_faq_model(pipeline)
    again = read_faq_model(onnx.load_from_string(model.SerializeToString()))
    assert export_faq_model(again).SerializeToString() == model.SerializeToString()
    np.testing.assert_allclose(
        again.predict_proba(texts), pipeline.predict_proba(texts), rtol=0, atol=1e-6
    )
    features, read = pipeline[:-1].transform(texts), again[:-1].transform(texts)
    assert abs(features - read).max() == 0, "features are stored in double precision"
    assert again[-1].classes_.tolist() == pipeline[-1].classes_.tolist()


def test_reads_from_a_path(texts: list[str], tmp_path: Path) -> None:
    """A model is read from a file, and rows can be added to it."""
    path = tmp_path / "model.onnx"
    path.write_bytes(export_faq_model(random_pipeline(texts, 4, 0.1)).SerializeToString())
    pipeline = read_faq_model(path)
    matcher = pipeline[-1]
    row = pipeline[:-1].transform(["how do i copy an array"])
    longer = FaqMatcher.from_parts(
        [*matcher.classes_.tolist(), "new"],
        sparse.vstack([matcher.coef_, 1000 * row]),
        [*matcher.intercept_, -4.0],
    )
    extended = Pipeline([pipeline.steps[0], ("matcher", longer)])
    again = read_faq_model(export_faq_model(extended))
    assert again[-1].classes_.tolist() == [0, 1, 2, 3, "new"]
    assert again.predict(["how do i copy an array"]) == ["new"]


SCRIPT = """
import sys
from converters.faq.matcher import FaqMatcher
from converters.faq.graph import export_faq_model
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
texts = ["one two", "two three", "three four five", "six"]
words = TfidfVectorizer(stop_words=["two", "six", "seven"])
model = export_faq_model(make_pipeline(words, FaqMatcher()).fit(texts, [1, 2, 3, 4]))
sys.stdout.buffer.write(model.SerializeToString())
"""


def test_same_model_same_bytes() -> None:
    """Bytes depend on the pipeline alone: no hash order, time, path or version gets in."""
    written = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert written[0] == written[1]
    assert str(ROOT).encode() not in written[0]
    assert onnx.load_from_string(written[0]).producer_name == "modelserver converters"


def test_size_follows_the_weights(texts: list[str]) -> None:
    """Ten times the FAQs with as many weights each take at most ten times the bytes."""
    terms = random_pipeline(texts, 1, 0.0)[-1].n_features_in_
    share = 200 / terms

    def table_bytes(faqs: int) -> int:
        model = export_faq_model(random_pipeline(texts, faqs, share))
        tables = [one for one in model.graph.initializer if one.name.startswith("matcher.")]
        return sum(one.ByteSize() for one in tables if not one.name.endswith("starts"))

    few, many = table_bytes(100), table_bytes(1000)
    assert many < 10 * few
    assert many < 1000 * 200 * 8 * 1.2 < 1000 * terms * 4


def test_common_terms_become_dense_rows() -> None:
    """Storage is chosen by term: rows for what most FAQs have, postings for the rest."""
    coef = np.zeros((16, 4))
    coef[:, 0] = 1.0
    coef[:2, 1] = 2.0  # as many FAQs as needed
    coef[0, 2] = 3.0  # one too few
    tables = sparse_head.split_weights(sparse.csr_array(coef), np.zeros(16))
    assert tables.slots.tolist() == [0, 1, -1, -1]
    assert tables.starts.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(sparse_head.merge_weights(tables).toarray(), coef)


def test_tiny_weights_vanish() -> None:
    """What float32 rounds to zero is dropped, so that reading back is exact."""
    coef = sparse.csr_array(np.array([[1e-60, 1.0], [0.0, 2.0]]))
    tables = sparse_head.split_weights(coef, np.zeros(2))
    assert sparse_head.merge_weights(tables).nnz == 2


FITTED = TfidfVectorizer().fit(["one two"])
REFUSED = {
    "FaqMatcher; got TfidfVectorizer, LogisticRegression": lambda: make_pipeline(
        TfidfVectorizer(), LogisticRegression()
    ),
    "HashingVectorizer": lambda: make_pipeline(
        FeatureUnion([("hashed", HashingVectorizer())]), matcher(2)
    ),
    "str": lambda: make_pipeline(FeatureUnion([("none", "drop")]), matcher(2)),
    "preprocessor": lambda: make_pipeline(
        TfidfVectorizer(preprocessor=str.lower).fit(["one two"]), matcher(2)
    ),
    "no text can contain": lambda: make_pipeline(
        TfidfVectorizer(vocabulary=["ab", "a b"], analyzer="char_wb", ngram_range=(2, 2)).fit(
            ["ab"]
        ),
        matcher(2),
    ),
    "vectorizers give 2 features": lambda: make_pipeline(FITTED, matcher(3)),
}


def matcher(features: int) -> FaqMatcher:
    return FaqMatcher.from_parts([1, 2], np.ones((2, features)), [0, 0])


@pytest.mark.parametrize("named", REFUSED)
def test_refused(named: str) -> None:
    """Anything but text vectorizers and a matcher is refused by name."""
    with pytest.raises(UnsupportedModel) as caught:
        export_faq_model(REFUSED[named]())
    assert named in str(caught.value)


def test_other_models_are_not_read() -> None:
    """A model of another origin is refused instead of misread."""
    model = export_faq_model(make_pipeline(FITTED, matcher(2)))
    model.metadata_props[0].value = json.dumps({"format": 2})
    with pytest.raises(ConverterError, match="format 1 is expected, got format 2"):
        read_faq_model(model)
    del model.metadata_props[:]
    with pytest.raises(ConverterError, match="not a FAQ model"):
        read_faq_model(model)


def real_texts(folder: Path) -> list[str]:
    """Customer questions, travel and JavaScript questions, and naughty strings."""
    with (folder / "faq/banking77/train.csv").open(encoding="utf-8", newline="") as file:
        found = [row["text"] for row in csv.DictReader(file)][:3000]
    for name in ("originals", "duplicates"):
        lines = (folder / f"faq/travel_se/{name}.jsonl").read_text("utf-8").splitlines()
        found += [f"{row['title']}. {row['body']}" for row in map(json.loads, lines)]
    table = (folder / "faq/seed_182/questions.tsv").open(encoding="utf-8", newline="")
    with table as file:
        found += [row["Text0"] for row in csv.DictReader(file, delimiter="\t")]
    naughty = json.loads((folder / "nasty/strings/blns.json").read_text("utf-8"))
    return [*naughty, *found]


def test_real_texts(shared_data: Path, texts: list[str], run_onnx: Any) -> None:
    """Over 5,000 real and nasty texts, as they are and cleaned, differ by at most 1e-5."""
    raw = [*texts, *real_texts(shared_data)]
    assert len(raw) > 5000
    every = [text if number % 2 else clean_text(text) for number, text in enumerate(raw)]
    pipeline = random_pipeline(every[::4], 60, 0.12)
    (probabilities,) = run_onnx(export_faq_model(pipeline), every)
    worst = np.abs(probabilities - pipeline.predict_proba(every)).max()
    assert worst <= 1e-5
