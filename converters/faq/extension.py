"""Adds FAQs to a trained pipeline: new words, new rows of weights, nothing else changes.

Letters used in shapes: F FAQs, V features, W new features.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from converters.faq.matcher import FaqMatcher
from converters.faq.records import FaqData
from converters.faq.rows import Csr, mean_directions, prune_rows, transform
from converters.faq.training import NewRow, collect_texts


def extend(pipeline: Pipeline, new: FaqData, new_row: NewRow) -> Pipeline:
    """Give a pipeline the rows of new FAQs; a row with a known id replaces the old one.

    Args:
        pipeline: two TF-IDF vectorizers in a FeatureUnion, then a FaqMatcher.
        new: FAQs and their duplicates; all else is ignored.
        new_row: how a row is made.

    Returns:
        A pipeline of its own; `pipeline` stays as it is.
    """
    texts = collect_texts(new)
    union, matcher = pipeline.steps[0][1], pipeline.steps[1][1]
    features, sizes = _learn_words(union, texts.texts)
    directions = mean_directions(texts.positives, transform(features, texts.texts))
    rows = prune_rows(directions) * new_row.scale

    known = matcher.classes_.tolist()
    names = list(dict.fromkeys([*known, *new.names]))
    columns = {name: number for number, name in enumerate(names)}
    places = [columns[name] for name in new.names]
    weights = _replace(_widen(matcher.coef_, sizes), rows, places, len(names))
    bias = np.concatenate([matcher.intercept_, np.zeros(len(names) - len(known))])
    bias[places] = new_row.bias
    extended = FaqMatcher.from_parts(names, weights, bias)
    return Pipeline([("features", features), ("matcher", extended)])


def _learn_words(
    union: FeatureUnion, texts: Sequence[str]
) -> tuple[FeatureUnion, list[tuple[int, int]]]:
    """Teach vectorizers the words of texts; also returns how many features each had and has."""
    grown = [(name, _learn_terms(one, texts)) for name, one in union.transformer_list]
    sizes = [
        (len(old.vocabulary_), len(new.vocabulary_))
        for (_, old), (_, new) in zip(union.transformer_list, grown, strict=True)
    ]
    return FeatureUnion(grown, transformer_weights=union.transformer_weights), sizes


def _learn_terms(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> TfidfVectorizer:
    """Add the unknown terms of texts, as rare ones, behind the known terms."""
    analyse = vectorizer.build_analyzer()
    vocabulary: dict[str, int] = dict(vectorizer.vocabulary_)
    for term in sorted({term for text in texts for term in analyse(text)} - vocabulary.keys()):
        vocabulary[term] = len(vocabulary)
    added = len(vocabulary) - len(vectorizer.vocabulary_)
    options = {**vectorizer.get_params(), "vocabulary": vocabulary}
    grown = TfidfVectorizer(**options).fit([""])  # a given vocabulary is kept as it is
    rare = vectorizer.idf_.max(initial=1.0)
    grown.idf_ = np.concatenate([vectorizer.idf_, np.full(added, rare)])
    return grown


def _widen(weights: Csr, sizes: Sequence[tuple[int, int]]) -> Csr:
    """Insert empty columns behind each vectorizer's old ones: [F, V] -> [F, V + W]."""
    blocks: list[Any] = []
    start = 0
    for old, grown in sizes:
        blocks.append(weights[:, start : start + old])
        blocks.append(sparse.csr_array((weights.shape[0], grown - old)))
        start += old
    return sparse.csr_array(sparse.hstack(blocks, format="csr"))


def _replace(weights: Csr, rows: Csr, places: Sequence[int], total: int) -> Csr:
    """Put rows into a matrix that grows to `total` rows."""
    order = np.arange(total)
    order[list(places)] = weights.shape[0] + np.arange(len(places))
    return sparse.csr_array(sparse.vstack([weights, rows], format="csr")[order])
