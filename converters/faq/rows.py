"""The rows of weights that a FAQ can be found by, before they are blended into one.

Letters used in shapes: F FAQs, n known texts, V features.

- learned: one-vs-rest logistic regression, the FAQ's texts against all others.
- centroid: the mean direction of the FAQ's texts, duplicates included.
- own: the mean direction of the FAQ's own text and answer, without its duplicates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize

from converters.errors import ConverterError

Floats = npt.NDArray[np.float64]
Csr: TypeAlias = sparse.csr_array

# Above this many FAQs no row is learned: it would take hours, and centroids take minutes.
MOST_LEARNED = 5_000

# A row is learned against this many other texts: half are those most like the FAQ, half are drawn
# and stand for all the rest. Up to this many texts, a row is learned against all of them.
_MOST_OTHERS = 1_000
_INVERSE_REGULARISATION = 100.0

# Of each row the largest weights are kept that hold this share of its squared length, and no more
# than this many. docs/benchmarks.md says what that costs.
_KEPT_ENERGY = 0.99
_MOST_KEPT = 4_000

# A character n-gram seen in one text only helps that text alone; in small sets it is all there is.
_SMALL = 50
_BLOCK = 256


class Texts(NamedTuple):
    """Known texts and the FAQs they belong to.

    Attributes:
        texts: n cleaned texts.
        positives: [F, n] one where a text belongs to a FAQ, its duplicates included.
        own: [F, n] one where a text is the FAQ's question or answer.
    """

    texts: Sequence[str]
    positives: Csr
    own: Csr


@dataclass(frozen=True, slots=True)
class Rows:
    """Three rows of weights for each FAQ; `known` says which FAQs have a duplicate.

    Args:
        learned: [F, V]; empty for FAQs that are not known.
        bias: [F] the intercepts of `learned`.
        centroid, own: [F, V] of unit length.
        known: [F].
    """

    learned: Csr
    bias: Floats
    centroid: Csr
    own: Csr
    known: npt.NDArray[np.bool_]


def fit_features(texts: Sequence[str]) -> FeatureUnion:
    """Fit the vectorizers: words and pairs of words, and characters within words.

    Raises:
        ConverterError: there is not one word in all the texts.
    """
    shared = {"sublinear_tf": True, "lowercase": False}
    rare = 2 if len(texts) >= _SMALL else 1
    words = TfidfVectorizer(ngram_range=(1, 2), **shared)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=rare, **shared)
    features = FeatureUnion([("words", words), ("characters", characters)])
    try:
        return features.fit(texts)
    except ValueError as error:
        raise ConverterError(f"the texts have too few words to learn from: {error}") from error


def transform(features: FeatureUnion, texts: Sequence[str]) -> Csr:
    """Compute the features of texts: [len(texts), V]."""
    if not texts:  # which scikit-learn refuses
        return sparse.csr_array((0, len(features.get_feature_names_out())))
    return sparse.csr_array(features.transform(texts))


def compute_rows(vectors: Csr, texts: Texts, seed: int, advance: Callable[[], None]) -> Rows:
    """Compute the three rows of every FAQ.

    Args:
        vectors: [n, V] features of the texts.
        texts: whose they are.
        seed: of the random texts that a row is learned against.
        advance: called once for each FAQ.
    """
    centroid = mean_directions(texts.positives, vectors)
    own = mean_directions(texts.own, vectors)
    duplicates = np.diff(texts.positives.indptr) - np.diff(texts.own.indptr)
    known = duplicates > 0
    faqs, terms = centroid.shape
    rows: list[Csr] = [sparse.csr_array((1, terms))] * faqs
    bias = np.zeros(faqs)
    similarities = _similarities(vectors, centroid)
    for number in range(faqs):
        alike = next(similarities)
        if known[number] and faqs <= MOST_LEARNED:
            chance = np.random.default_rng([seed, number])
            positives = _indices(texts.positives, number)
            weights, bias[number] = _learn_row(vectors, positives, alike, chance)
            rows[number] = prune(weights)
        advance()
    learned = sparse.csr_array(sparse.vstack(rows, format="csr"))
    return Rows(learned, bias, prune_rows(centroid), prune_rows(own), known)


def mean_directions(members: Csr, vectors: Csr) -> Csr:
    """Sum the vectors of each row's members and scale the sum to unit length."""
    return sparse.csr_array(normalize(members @ vectors))


def prune(weights: Floats) -> Csr:
    """Keep the weights that carry nearly all of a row's length: [V] -> [1, V]."""
    count = min(_MOST_KEPT, len(weights))
    largest = np.argpartition(-np.abs(weights), count - 1)[:count]
    largest = largest[np.argsort(-np.abs(weights[largest]), kind="stable")]
    carried = np.cumsum(weights[largest] ** 2)
    enough = int(np.searchsorted(carried, _KEPT_ENERGY * float(weights @ weights))) + 1
    kept = np.sort(largest[:enough])
    return sparse.csr_array((weights[kept], ([0] * len(kept), kept)), shape=(1, len(weights)))


def prune_rows(rows: Csr) -> Csr:
    """Prune every row of a sparse [F, V] matrix."""
    pruned = []
    for number in range(rows.shape[0]):
        columns = _indices(rows, number)
        values = rows.data[rows.indptr[number] : rows.indptr[number + 1]]
        kept = prune(values) if len(values) else sparse.csr_array((1, 0))
        places = columns[kept.indices]
        one = (kept.data, ([0] * len(places), places))
        pruned.append(sparse.csr_array(one, shape=(1, rows.shape[1])))
    return sparse.csr_array(sparse.vstack(pruned, format="csr"))


def _similarities(vectors: Csr, centroid: Csr) -> Any:
    """Yield, FAQ by FAQ, the similarity [n] of all texts to it; None where it is not needed."""
    faqs, texts = centroid.shape[0], vectors.shape[0]
    if faqs > MOST_LEARNED or texts <= _MOST_OTHERS:
        yield from [None] * faqs
        return
    for start in range(0, faqs, _BLOCK):
        yield from (vectors @ centroid[start : start + _BLOCK].T).toarray().T


def _learn_row(
    vectors: Csr,
    positives: npt.NDArray[np.int32],
    alike: Floats | None,
    chance: np.random.Generator,
) -> tuple[Floats, float]:
    """Learn one FAQ against the rest, both sides counting the same in total."""
    texts = vectors.shape[0]
    others = np.setdiff1d(np.arange(texts), positives)
    if not len(others):
        return np.zeros(vectors.shape[1]), 0.0
    weights = np.full(len(others), 1.0)
    if alike is not None and len(others) > _MOST_OTHERS:
        others, weights = _sample(others, alike, chance)
    used = np.concatenate([positives, others])
    labels = np.repeat([1, 0], [len(positives), len(others)])
    balanced = np.concatenate(
        [np.full(len(positives), texts / 2 / len(positives)), weights * texts / 2 / weights.sum()]
    )
    # The dual solver is several times faster here; its one random choice is the order of the rows.
    learner = LogisticRegression(
        C=_INVERSE_REGULARISATION,
        solver="liblinear",
        dual=True,
        tol=0.01,
        max_iter=1_000,
        random_state=0,
    )
    learner.fit(vectors[used], labels, sample_weight=balanced)
    return learner.coef_[0], float(learner.intercept_[0])


def _sample(
    others: npt.NDArray[np.int64], alike: Floats, chance: np.random.Generator
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Choose texts to learn against, and how many texts each of them stands for."""
    half = _MOST_OTHERS // 2
    order = others[np.argsort(-alike[others], kind="stable")]
    drawn = np.sort(chance.choice(order[half:], half, replace=False))
    share = (len(others) - half) / half
    return np.concatenate([order[:half], drawn]), np.repeat([1.0, share], half)


def _indices(matrix: Csr, row: int) -> Any:
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
