"""Blends the rows of a FAQ into one, and turns scores into probabilities that mean something.

Everything is fitted on questions that the rows were not computed from:

1. The blend maximises the probability of the right FAQ among all (a softmax over FAQs). FAQs with
   duplicates get `learned`, `centroid` and `own` rows, others a scaled own row and an intercept.
2. The calibration fits P(the best match is right) as a sigmoid of the best score. Out-of-scope
   questions count as wrong.

Both are pulled towards defaults, so that little data cannot lead them astray. Both are linear in
the question's features and so vanish into the weights.

Letters used in shapes: N questions, F FAQs, V features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from converters.faq.rows import Csr, Floats, Rows

# How much one unit of change in a standardised coefficient weighs against one question.
_PULL = 1.0


@dataclass(frozen=True, slots=True)
class Blend:
    """How much of each row goes into a FAQ's final row.

    Args:
        learned, centroid, own: shares for FAQs with duplicates.
        new, new_bias: scale of the centroid row, and intercept, of FAQs without duplicates.
    """

    learned: float = 0.5
    centroid: float = 8.0
    own: float = 8.0
    new: float = 20.0
    new_bias: float = -3.0

    def scores(self, parts: npt.NDArray[np.float32]) -> Floats:
        """Blend the scores of single rows: [N, F, 5] -> [N, F]."""
        shares = np.array([getattr(self, name) for name in self.__slots__], dtype=np.float32)
        blended: Floats = (parts @ shares).astype(np.float64)
        return blended

    def rows(self, rows: Rows) -> tuple[Csr, Floats]:
        """Compute the final weights [F, V] and intercepts [F]."""
        known = sparse.diags_array(rows.known.astype(np.float64))
        fresh = sparse.diags_array((~rows.known).astype(np.float64))
        weights = (
            known @ (self.learned * rows.learned + self.centroid * rows.centroid)
            + known @ (self.own * rows.own)
            + fresh @ (self.new * rows.centroid)
        )
        bias = np.where(rows.known, self.learned * rows.bias, self.new_bias)
        return sparse.csr_array(weights), bias


class Trial(NamedTuple):
    """Questions that the rows were not computed from, and what the rows say of them.

    Attributes:
        parts: [N, F, 5] what each field of `Blend` is multiplied with.
        right: [N, F] true where a FAQ answers the question; nowhere for out-of-scope questions.
        weight: [N] how much each question counts.
    """

    parts: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    weight: Floats

    def answered(self) -> "Trial":
        """The questions that a FAQ answers."""
        chosen = self.right.any(axis=1)
        return Trial(self.parts[chosen], self.right[chosen], self.weight[chosen])


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(the best match is right) = sigmoid(scale * best score + shift)."""

    scale: float = 0.6
    shift: float = -1.0

    def probability(self, scores: Floats) -> Floats:
        """Turn scores before the calibration into probabilities."""
        probabilities: Floats = expit(self.scale * scores + self.shift)
        return probabilities


def score_parts(vectors: Csr, rows: Rows) -> npt.NDArray[np.float32]:
    """Score questions with each row: [N, V] -> [N, F, 5], in the order of Blend's fields."""
    fresh = (~rows.known).astype(np.float32)
    known = 1 - fresh
    centroid = (vectors @ rows.centroid.T).toarray()
    parts = [
        ((vectors @ rows.learned.T).toarray() + rows.bias) * known,
        centroid * known,
        (vectors @ rows.own.T).toarray() * known,
        centroid * fresh,
        np.broadcast_to(fresh, centroid.shape),
    ]
    return np.stack([part.astype(np.float32) for part in parts], axis=2)


def fit_blend(trials: Sequence[Trial]) -> Blend:
    """Find the blend that ranks the right FAQs best; without questions, the default one."""
    default = Blend()
    start = np.array([getattr(default, name) for name in Blend.__slots__])
    trials = [trial.answered() for trial in trials]
    trials = [trial for trial in trials if len(trial.parts)]
    if not trials:
        return default
    spread = np.sqrt(np.mean([np.mean(one.parts**2, axis=(0, 1)) for one in trials], axis=0))
    unit = np.maximum(spread, 1e-3)

    def loss(shares: Floats) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros(len(shares))
        for trial in trials:
            value, gradient = _ranking_loss(trial, shares)
            total, slope = total + value, slope + gradient
        return _pulled(total, slope, (shares - start) * unit, unit)

    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
    return Blend(*(float(share) for share in best.x))


# Rows may be left out, never turned against their FAQ.
_BOUNDS = [(0, None), (0, None), (0, None), (1, None), (None, None)]


def fit_calibration(scores: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """Fit the probability that the best match is right.

    Args:
        scores: [N] best score of each question, out-of-scope ones included.
        right: [N] whether the best match was right.
    """
    default = Calibration()
    start = np.array([default.scale, default.shift])

    def loss(values: Floats) -> tuple[float, Floats]:
        margin = values[0] * scores + values[1]
        total = float(np.sum(np.logaddexp(0, margin) - margin * right))
        error = expit(margin) - right
        slope = np.array([error @ scores, error.sum()])
        return _pulled(total, slope, values - start, np.ones(2))

    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.05, None), (None, None)])
    return Calibration(float(best.x[0]), float(best.x[1]))


def _ranking_loss(trial: Trial, shares: Floats) -> tuple[float, Floats]:
    """Minus the log-probability of the right FAQs, summed over questions, and its slope."""
    scores = trial.parts @ shares.astype(np.float32)  # [N, F]
    marked = np.where(trial.right, scores, -np.inf)
    every, chosen = logsumexp(scores, axis=1), logsumexp(marked, axis=1)
    excess = np.exp(scores - every[:, None]) - np.exp(marked - chosen[:, None])
    slope = np.einsum("nf,nfp->p", excess * trial.weight[:, None].astype(np.float32), trial.parts)
    return float((every - chosen) @ trial.weight), slope.astype(np.float64)


def _pulled(total: float, slope: Floats, moved: Floats, unit: Floats) -> tuple[float, Floats]:
    """Add the pull towards the defaults to a loss and its slope."""
    return total + _PULL * float(moved @ moved), slope + 2 * _PULL * moved * unit
