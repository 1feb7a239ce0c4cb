"""Trains a FAQ model: one sparse row of weights for each FAQ, blended and calibrated.

The model is fitted to all the data, after rehearsals on parts of it. A rehearsal withholds some
duplicates, computes rows from the rest, and scores what was withheld. What the rehearsals show
decides the blend, the calibration and `min_score`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.pipeline import FeatureUnion, Pipeline
from threadpoolctl import threadpool_limits

from converters.faq.blend import (
    Blend,
    Calibration,
    Trial,
    fit_blend,
    fit_calibration,
    score_parts,
)
from converters.faq.matcher import FaqMatcher
from converters.faq.metrics import mark_right
from converters.faq.records import FaqData
from converters.faq.rehearsals import Rehearsal, plan_rehearsals
from converters.faq.rows import Floats, Rows, Texts, compute_rows, fit_features, transform
from converters.progress import Progress
from modelserver.cleaning import clean_text

# What a rehearsal may hold: questions x FAQs.
_MOST_SCORES = 4_000_000

DEFAULT_KEPT_SHARE = 0.95
_FEWEST_RIGHT = 20
_UNMEASURED_MIN_SCORE = 0.3


@dataclass(frozen=True, slots=True)
class NewRow:
    """How the row of a new FAQ is made: scale x unit direction of its texts, and a bias.

    Args:
        scale, bias: see above.
        answers: whether the answer is one of the texts.
    """

    scale: float
    bias: float
    answers: bool = True


@dataclass(frozen=True, slots=True)
class FaqModel:
    """A trained model.

    Args:
        pipeline: cleaned texts -> probabilities [N, F].
        min_score: the best score from which a question counts as matched.
        new_row: how FAQs can be added without training.
        blend, calibration: what the rehearsals led to.
        rehearsed: number of questions the rehearsals were about.
        is_measured: whether they were enough to set `min_score` and the calibration by.
    """

    pipeline: Pipeline
    min_score: float
    new_row: NewRow
    blend: Blend
    calibration: Calibration
    rehearsed: int
    is_measured: bool


def fit(data: FaqData, seed: int = 0, kept_share: float = DEFAULT_KEPT_SHARE) -> FaqModel:
    """Train a model.

    Args:
        data: FAQs, and what is known of the questions people ask.
        seed: decides what is withheld in which rehearsal; equal seeds give equal models.
        kept_share: `min_score` is set so that this share of the questions that get the right best
            match keep it.

    Raises:
        ConverterError: the texts hold nothing to learn from.
    """
    rehearsals = plan_rehearsals(data, seed)
    steps = (len(rehearsals) + 1) * len(data.faqs)
    # Threads do not help with vectors this short, and they slow each other down on a busy machine.
    with threadpool_limits(1), Progress("training", steps) as progress:
        trials = [_rehearse(one, seed, progress.advance) for one in rehearsals]
        blend = fit_blend(trials)
        best, right = _best_matches(rehearsals, trials, blend, bool(data.out_of_scope))
        measured = int(right.sum()) >= _FEWEST_RIGHT
        calibration = fit_calibration(best, right) if measured else Calibration()
        pipeline = _final_pipeline(data, seed, blend, calibration, progress.advance)
    min_score = _UNMEASURED_MIN_SCORE
    if measured:
        kept = np.quantile(calibration.probability(best[right]), 1 - kept_share)
        min_score = float(np.floor(1000 * kept) / 1000)
    new_row = NewRow(
        calibration.scale * blend.new, calibration.scale * blend.new_bias + calibration.shift
    )
    return FaqModel(pipeline, min_score, new_row, blend, calibration, len(best), measured)


def without_answers(data: FaqData) -> FaqData:
    """The same data, with FAQs that are known by their questions alone."""
    return replace(data, faqs=[replace(faq, answer="") for faq in data.faqs])


def collect_texts(data: FaqData) -> Texts:
    """List all known texts; out-of-scope questions belong to no FAQ."""
    places = {name: number for number, name in enumerate(data.names)}
    answers = [(clean_text(faq.answer), number) for number, faq in enumerate(data.faqs)]
    owned = [(faq.text, number) for number, faq in enumerate(data.faqs)]
    owned += [(text, number) for text, number in answers if text]
    texts = [text for text, _ in owned]
    pairs = [(number, place) for place, (_, number) in enumerate(owned)]
    linked = [
        (places[target], len(texts) + place)
        for place, one in enumerate(data.duplicates)
        for target in one.duplicate_of
    ]
    texts += [one.text for one in data.duplicates] + [one.text for one in data.out_of_scope]
    shape = len(data.faqs), len(texts)
    return Texts(texts, _membership(pairs + linked, shape), _membership(pairs, shape))


def _membership(pairs: Sequence[tuple[int, int]], shape: tuple[int, int]) -> sparse.csr_array:
    rows, columns = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    return sparse.csr_array((np.ones(len(pairs)), (rows, columns)), shape=shape)


def _compute(data: FaqData, seed: int, advance: Callable[[], None]) -> tuple[FeatureUnion, Rows]:
    texts = collect_texts(data)
    features = fit_features(texts.texts)
    return features, compute_rows(transform(features, texts.texts), texts, seed, advance)


def _final_pipeline(
    data: FaqData,
    seed: int,
    blend: Blend,
    calibration: Calibration,
    advance: Callable[[], None],
) -> Pipeline:
    features, rows = _compute(data, seed, advance)
    weights, bias = blend.rows(rows)
    matcher = FaqMatcher.from_parts(
        data.names,
        weights * calibration.scale,
        bias * calibration.scale + calibration.shift,
    )
    return Pipeline([("features", features), ("matcher", matcher)])


def _rehearse(rehearsal: Rehearsal, seed: int, advance: Callable[[], None]) -> Trial:
    """Compute rows from what is left, and score what is withheld."""
    names = rehearsal.data.names
    features, rows = _compute(rehearsal.data, seed, advance)
    asked = rehearsal.asked[: max(1, _MOST_SCORES // len(names))]
    right = mark_right(names, [one.duplicate_of for one in asked])
    vectors = transform(features, [one.text for one in asked])
    return Trial(score_parts(vectors, rows), right, np.array([one.weight for one in asked]))


def _best_matches(
    rehearsals: Sequence[Rehearsal], trials: Sequence[Trial], blend: Blend, has_strangers: bool
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """List the best score of every question, and whether that match was right.

    Without out-of-scope questions, questions about FAQs that were taken away stand in for them.
    """
    scores, right = [np.zeros(0)], [np.zeros(0, np.bool_)]
    for rehearsal, trial in zip(rehearsals, trials, strict=True):
        blended = blend.scores(trial.parts)
        if not rehearsal.newcomers:
            scores.append(blended.max(axis=1))
            right.append(trial.right[np.arange(len(blended)), blended.argmax(axis=1)])
        elif not has_strangers:
            new = np.array([name in rehearsal.newcomers for name in rehearsal.data.names])
            about_new = trial.right[:, new].any(axis=1)
            scores.append(blended[np.ix_(about_new, ~new)].max(axis=1))
            right.append(np.zeros(int(about_new.sum()), np.bool_))
    return np.concatenate(scores), np.concatenate(right)
