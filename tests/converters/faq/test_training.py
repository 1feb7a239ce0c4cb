"""Training: deterministic, sensible with little data, probabilities that mean something."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from converters.errors import ConverterError
from converters.faq.blend import Blend, Calibration, Trial, fit_blend, fit_calibration
from converters.faq.extension import extend
from converters.faq.records import Duplicate, Faq, FaqData
from converters.faq.rehearsals import plan_rehearsals
from converters.faq.rows import compute_rows, fit_features, prune, transform
from converters.faq.split import split
from converters.faq.training import FaqModel, collect_texts, fit
from tests.converters.faq_samples import plain_data, small_data


@pytest.fixture(scope="module")
def data() -> FaqData:
    return small_data()


@pytest.fixture(scope="module")
def parts(data: FaqData) -> tuple[FaqData, FaqData]:
    return split(data, 0.2, seed=0)


@pytest.fixture(scope="module")
def model(parts: tuple[FaqData, FaqData]) -> FaqModel:
    return fit(parts[0])


def best(model: FaqModel, texts: list[str]) -> tuple[list, np.ndarray]:
    return model.pipeline.predict(texts).tolist(), model.pipeline.predict_proba(texts).max(axis=1)


def test_equal_seeds_give_equal_models(parts: tuple[FaqData, FaqData], model: FaqModel) -> None:
    """Training is repeatable to the last bit."""
    again = fit(parts[0])
    assert again.pipeline[-1].coef_.data.tobytes() == model.pipeline[-1].coef_.data.tobytes()
    assert again.pipeline[-1].intercept_.tobytes() == model.pipeline[-1].intercept_.tobytes()
    assert (again.min_score, again.new_row) == (model.min_score, model.new_row)


def test_withheld_questions_are_found(parts: tuple[FaqData, FaqData], model: FaqModel) -> None:
    """Questions the model has never seen lead to their FAQ far more often than chance."""
    asked = parts[1].duplicates
    found, _ = best(model, [one.text for one in asked])
    right = [name in one.duplicate_of for name, one in zip(found, asked, strict=True)]
    assert np.mean(right) > 0.6


def test_min_score_separates(parts: tuple[FaqData, FaqData], model: FaqModel) -> None:
    """`min_score` keeps most questions that a FAQ answers and refuses most others."""
    _, known = best(model, [one.text for one in parts[1].duplicates])
    _, strange = best(model, [one.text for one in parts[1].out_of_scope])
    assert model.is_measured
    assert np.mean(known >= model.min_score) > 0.75
    assert np.mean(strange < model.min_score) > 0.5


def test_kept_share_moves_min_score(parts: tuple[FaqData, FaqData], model: FaqModel) -> None:
    """Who wants to keep fewer right answers gets a higher `min_score`."""
    assert fit(parts[0], kept_share=0.5).min_score > model.min_score


def test_faqs_without_duplicates_are_found(data: FaqData) -> None:
    """A FAQ that nobody is known to have asked otherwise is found by its own words."""
    lonely = data.faqs[3].id
    rest = [one for one in data.duplicates if lonely not in one.duplicate_of]
    model = fit(replace(data, duplicates=rest))
    asked = [one.text for one in data.duplicates if lonely in one.duplicate_of]
    found, scores = best(model, asked)
    assert np.mean([name == lonely for name in found]) > 0.4
    assert best(model, [data.faqs[3].text])[0] == [lonely]
    assert scores.max() > model.min_score


@pytest.mark.parametrize(
    "data",
    [
        FaqData([Faq("a", "a", "t", "how do i sort an array")]),
        FaqData([Faq("a", "a", "t", "how do i sort"), Faq(2, 2, "t", "what is a closure")]),
        plain_data([1, 0, 0]),
        plain_data([2, 2, 2, 2]),
    ],
    ids=["one FAQ", "no duplicates", "one duplicate", "two each"],
)
def test_little_data(data: FaqData) -> None:
    """With too little to measure, defaults stand in; every FAQ still finds itself."""
    model = fit(data)
    assert model.pipeline.predict([faq.text for faq in data.faqs]).tolist() == data.names
    assert not model.is_measured
    assert model.min_score == 0.3


def test_texts_without_words() -> None:
    """Texts of single letters give nothing to learn from, and the error says so."""
    with pytest.raises(ConverterError, match="too few words to learn from"):
        fit(FaqData([Faq(1, 1, "x", "a")]))


def test_answers_are_learned_from(data: FaqData) -> None:
    """Words that only an answer holds lead to its FAQ."""
    faqs = [replace(data.faqs[0], answer="<p>Zebra &amp; okapi</p>"), *data.faqs[1:]]
    model = fit(replace(data, faqs=faqs))
    assert best(model, ["zebra okapi"])[0] == [data.faqs[0].id]


def test_rehearsals_withhold_what_they_ask(data: FaqData) -> None:
    """No rehearsal trains on a question it asks; newcomers have no duplicate left."""
    for rehearsal in plan_rehearsals(data, seed=1):
        kept = {one.text for one in rehearsal.data.duplicates}
        kept |= {one.text for one in rehearsal.data.out_of_scope}
        if not rehearsal.newcomers:
            assert kept.isdisjoint(one.text for one in rehearsal.asked)
        named = {name for one in rehearsal.data.duplicates for name in one.duplicate_of}
        assert named.isdisjoint(rehearsal.newcomers)
    assert rehearsal.newcomers


def test_every_duplicate_is_rehearsed_once(data: FaqData) -> None:
    """The usual rehearsals of small data ask every question exactly once."""
    usual = [one for one in plan_rehearsals(data, seed=0) if not one.newcomers]
    asked = sorted(one.text for rehearsal in usual for one in rehearsal.asked)
    known = [one.text for one in data.duplicates] + [one.text for one in data.out_of_scope]
    assert asked == sorted(known)


def test_prune_keeps_the_length() -> None:
    """Pruning drops the smallest weights only, and hardly shortens a row."""
    weights = np.random.default_rng(0).normal(size=5_000) ** 5
    kept = prune(weights).toarray()[0]
    assert 0 < np.count_nonzero(kept) < 1_000
    assert kept @ kept >= 0.99 * (weights @ weights)
    assert np.abs(weights[kept == 0]).max() <= np.abs(kept[kept != 0]).min()


@pytest.mark.parametrize("size", [1, 3], ids=["one weight", "three weights"])
def test_prune_small_rows(size: int) -> None:
    """A row of few weights, or of zeros, survives pruning."""
    assert prune(np.ones(size)).nnz == size
    assert prune(np.zeros(size)).sum() == 0


def test_many_texts_are_sampled(monkeypatch: pytest.MonkeyPatch, data: FaqData) -> None:
    """Learned against a sample of the other texts, a row points where the full one does."""
    texts = collect_texts(data)
    vectors = transform(fit_features(texts.texts), texts.texts)
    full = compute_rows(vectors, texts, 0, lambda: None).learned
    monkeypatch.setattr("converters.faq.rows._MOST_OTHERS", 60)
    sampled = compute_rows(vectors, texts, 0, lambda: None).learned
    norms = np.sqrt(full.multiply(full).sum(axis=1) * sampled.multiply(sampled).sum(axis=1))
    assert (full.multiply(sampled).sum(axis=1) / norms).min() > 0.8


def test_too_many_faqs_are_not_learned(monkeypatch: pytest.MonkeyPatch, data: FaqData) -> None:
    """Above the limit rows are mean directions only; the model still finds most FAQs."""
    monkeypatch.setattr("converters.faq.rows.MOST_LEARNED", 5)
    texts = collect_texts(data)
    vectors = transform(fit_features(texts.texts), texts.texts)
    assert compute_rows(vectors, texts, 0, lambda: None).learned.nnz == 0
    found, _ = best(fit(data), [faq.text for faq in data.faqs])
    assert found == data.names


def trial(parts: np.ndarray, right: list[list[bool]]) -> Trial:
    return Trial(parts.astype(np.float32), np.array(right), np.ones(len(parts)))


def test_blend_follows_what_ranks_right() -> None:
    """Of two kinds of rows, the one that tells FAQs apart gets the larger share."""
    chance = np.random.default_rng(0)
    right = np.eye(4, dtype=bool)[chance.integers(0, 4, 300)]
    parts = np.zeros((300, 4, 5))
    parts[..., 0] = chance.normal(size=(300, 4))
    parts[..., 1] = 0.3 * right + 0.01 * chance.normal(size=(300, 4))
    blend = fit_blend([trial(parts, right.tolist())])
    assert blend.centroid > Blend().centroid
    assert blend.learned < Blend().learned / 2


def test_blend_needs_no_data() -> None:
    """Without questions, or with out-of-scope ones only, the blend is the default one."""
    assert fit_blend([]) == Blend()
    assert fit_blend([trial(np.ones((1, 2, 5)), [[False, False]])]) == Blend()


def test_calibration_finds_the_probability() -> None:
    """Fitted to answers of a known probability, the calibration gives that probability back."""
    chance = np.random.default_rng(0)
    scores = chance.normal(4, 2, 5_000)
    true = 1 / (1 + np.exp(-(0.8 * scores - 3)))
    found = fit_calibration(scores, chance.random(5_000) < true)
    assert np.abs(found.probability(scores) - true).max() < 0.05


def test_calibration_never_reverses() -> None:
    """Even where high scores were wrong by chance, a higher score never means less."""
    assert fit_calibration(np.arange(20.0), np.arange(20) < 10).scale > 0
    assert fit_calibration(np.zeros(0), np.zeros(0, bool)) == Calibration()


def test_extension_learns_new_words(data: FaqData, model: FaqModel) -> None:
    """A FAQ about something new is found by words that the model has never seen."""
    new = Faq("new", "new", "t", "how do i call a webassembly module")
    extended = extend(model.pipeline, FaqData([new]), model.new_row)
    assert extended[-1].classes_.tolist() == [*data.names, "new"]
    assert extended.predict(["webassembly modules"]).tolist() == ["new"]


def test_extension_leaves_the_others_alone(data: FaqData, model: FaqModel) -> None:
    """Questions without a new word get the same scores from the old FAQs."""
    new = Faq("new", "new", "t", "qqqq wwww")
    texts = [one.text for one in data.duplicates if "q" not in one.text and "w" not in one.text]
    extended = extend(model.pipeline, FaqData([new]), model.new_row)
    old = model.pipeline.predict_proba(texts)
    assert np.abs(extended.predict_proba(texts)[:, :-1] - old).max() < 1e-12


def test_extension_replaces(data: FaqData, model: FaqModel) -> None:
    """A known id keeps its column and forgets what it was before; duplicates count."""
    changed = replace(data.faqs[2], text="how do i brew coffee", answer="")
    duplicates = [Duplicate("d", "espresso machine", (changed.id,))]
    extended = extend(model.pipeline, FaqData([changed], duplicates), model.new_row)
    assert extended[-1].classes_.tolist() == data.names
    assert extended.predict(["espresso", "brew coffee"]).tolist() == [changed.id] * 2
    old = extended.decision_function([data.faqs[2].text])[0, 2]
    assert old < extended.decision_function(["brew coffee"])[0, 2]


def test_weights_are_sparse(model: FaqModel) -> None:
    """Rows hold a bounded number of weights, whatever the vocabulary."""
    coef = model.pipeline[-1].coef_
    assert sparse.issparse(coef)
    assert coef.nnz < 0.5 * coef.shape[0] * coef.shape[1]
