"""Ways to rank FAQs, each a function: what to learn from, questions -> scores [N, F]."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from converters.faq.records import FaqData
from converters.faq.rows import fit_features, mean_directions, transform
from converters.faq.training import collect_texts, fit, without_answers

Scores = npt.NDArray[np.float64]

_CANDIDATES = 20
_BATCH_PAIRS = 20_000


@dataclass(frozen=True)
class Options:
    """Seed of every random choice, and the size of the reference method's model."""

    seed: int
    trees: int
    jobs: int


def reference(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """The reference implementation: a gradient-boosted classifier of (question, FAQ) pairs.

    Each duplicate is paired with its FAQ and 19 others. The features of a pair are the TF-IDF of
    both texts, side by side; the two classes weigh the same.
    """
    from lightgbm import LGBMClassifier

    chance = np.random.default_rng(options.seed)
    places = {faq.id: number for number, faq in enumerate(train.faqs)}
    left, right, labels = [], [], []
    for number, one in enumerate(train.duplicates):
        own = [places[name] for name in one.duplicate_of]
        rest = np.setdiff1d(np.arange(len(places)), own)
        others = chance.choice(rest, min(_CANDIDATES - 1, len(rest)), replace=False)
        left += [number] * (1 + len(others))
        right += [own[0], *others]
        labels += [1] + [0] * len(others)
    asked = [one.text for one in train.duplicates]
    known = [faq.text for faq in train.faqs]
    # Fitted on the columns of the pairs, as the reference does: frequent FAQs count more.
    left_terms = TfidfVectorizer().fit([asked[number] for number in left])
    right_terms = TfidfVectorizer().fit([known[number] for number in right])
    faq_vectors = right_terms.transform(known)
    pairs = sparse.hstack([left_terms.transform(asked)[left], faq_vectors[right]], format="csr")
    marks = np.array(labels)
    classifier = LGBMClassifier(
        n_estimators=options.trees,
        min_child_samples=20,
        verbose=-1,
        random_state=options.seed,
        n_jobs=options.jobs,
    )
    classifier.fit(pairs, marks, sample_weight=len(marks) / (2 * np.bincount(marks)[marks]))

    vectors = left_terms.transform(questions)
    rows = max(1, _BATCH_PAIRS // len(known))
    scores = []
    for start in range(0, len(questions), rows):
        part = vectors[start : start + rows]
        count = part.shape[0]
        both = [
            part[np.repeat(np.arange(count), len(known))],
            faq_vectors[np.tile(np.arange(len(known)), count)],
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that features do not have
            found = classifier.predict_proba(sparse.hstack(both, format="csr"))[:, 1]
        scores.append(found.reshape(count, len(known)))
    return np.concatenate(scores)


def cosine_words(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """Cosine between plain TF-IDF of words and the mean direction of a FAQ's known texts."""
    return _cosine(TfidfVectorizer(), without_answers(train), questions)


def cosine_nearest(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """Cosine between plain TF-IDF of words and the nearest of a FAQ's known texts."""
    texts = collect_texts(without_answers(replace(train, out_of_scope=())))
    vectorizer = TfidfVectorizer()
    known = vectorizer.fit_transform(texts.texts)
    alike = (vectorizer.transform(questions) @ known.T).toarray()
    places = texts.positives
    return np.stack(
        [
            alike[:, places.indices[start:end]].max(axis=1)
            for start, end in zip(places.indptr, places.indptr[1:], strict=False)
        ],
        axis=1,
    )


def cosine_ours(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """Cosine to the mean direction, with the vectorizers of our model."""
    return _cosine(None, without_answers(train), questions)


def cosine_ours_answers(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """The same, with the texts of the answers among the known texts."""
    return _cosine(None, train, questions)


def ours(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """The model of `python -m converters faq`, without the texts of the answers."""
    return ours_answers(without_answers(train), questions, options)


def ours_answers(train: FaqData, questions: Sequence[str], options: Options) -> Scores:
    """The model of `python -m converters faq`, as it is by default."""
    scores: Scores = fit(train, options.seed).pipeline.predict_proba(questions)
    return scores


def _cosine(vectorizer: TfidfVectorizer | None, train: FaqData, questions: Sequence[str]) -> Scores:
    texts = collect_texts(replace(train, out_of_scope=()))
    features = vectorizer.fit(texts.texts) if vectorizer else fit_features(texts.texts)
    centroids = mean_directions(texts.positives, transform(features, texts.texts))
    scores: Scores = (transform(features, questions) @ centroids.T).toarray()
    return scores


METHODS = {
    "reference: TF-IDF pairs, LightGBM": reference,
    "cosine, words, nearest known text": cosine_nearest,
    "cosine, words": cosine_words,
    "cosine, our features": cosine_ours,
    "ours": ours,
}
WITH_ANSWERS = {
    "cosine, our features, with answers": cosine_ours_answers,
    "ours, with answers (default)": ours_answers,
}
"""Further methods where FAQs have answers."""
