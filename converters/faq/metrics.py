"""Measures of how well FAQs are ranked.

Letters used in shapes: N questions, F FAQs.
"""

import itertools
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.faq.rows import Floats

TOP = (1, 2, 3, 5, 10)

TIE_RULE = (
    "a FAQ that shares its score with others gets the average of their ranks; "
    "a question whose FAQ is not in the model counts as rank F + 1"
)


def rank_right(scores: Floats, right: npt.NDArray[np.bool_]) -> Floats:
    """Find the rank of the best right FAQ of each question.

    Args:
        scores: [N, F].
        right: [N, F] true where a FAQ answers a question.

    Returns:
        [N] ranks from 1; see TIE_RULE.
    """
    best = np.where(right, scores, -np.inf).max(axis=1)
    higher = (scores > best[:, None]).sum(axis=1)
    equal = (scores == best[:, None]).sum(axis=1)
    ranks = higher + (equal + 1) / 2
    missing = ~right.any(axis=1)
    counted: Floats = np.where(missing, scores.shape[1] + 1.0, ranks)
    return counted


def mark_right(
    columns: Sequence[Hashable], targets: Sequence[Sequence[Hashable]]
) -> npt.NDArray[np.bool_]:
    """Mark the FAQs that answer each question: [N, F].

    Args:
        columns: F identifiers of FAQs.
        targets: for each question the FAQs that answer it.
    """
    places = {name: number for number, name in enumerate(columns)}
    right = np.zeros((len(targets), len(columns)), dtype=np.bool_)
    for number, names in enumerate(targets):
        right[number, [places[name] for name in names if name in places]] = True
    return right


def summarise_ranks(ranks: Floats) -> dict[str, float]:
    """Accuracy@k (share of ranks <= k), mean reciprocal rank and mean rank."""
    if not len(ranks):
        return {}
    accuracy = {f"accuracy@{k}": float(np.mean(ranks <= k)) for k in TOP}
    return {**accuracy, "mrr": float(np.mean(1 / ranks)), "mean_rank": float(np.mean(ranks))}


def majority_floor(
    train: Sequence[Sequence[Hashable]], asked: Sequence[Sequence[Hashable]]
) -> float:
    """Share of questions that are right when the FAQ asked most in training is always answered.

    Args:
        train, asked: for each question the FAQs that answer it.
    """
    counts = Counter(target for targets in train for target in targets)
    if not counts or not asked:
        return 0.0
    ((most, _),) = counts.most_common(1)
    return float(np.mean([most in targets for targets in asked]))


def reliability(
    best: Floats, right: npt.NDArray[np.bool_], edges: Sequence[float] = (0, 0.2, 0.4, 0.6, 0.8, 1)
) -> list[Mapping[str, Any]]:
    """Compare scores with the share of right answers, bin by bin.

    Args:
        best: [N] score of the best match.
        right: [N] whether it was right; never for an out-of-scope question.
        edges: of the bins, from 0 to 1.
    """
    rows: list[Mapping[str, Any]] = []
    for low, high in itertools.pairwise(edges):
        inside = (best >= low) & ((best < high) | (high == edges[-1]))
        if inside.any():
            rows.append(
                {
                    "best score": f"{low:g} to {high:g}",
                    "questions": int(inside.sum()),
                    "mean score": float(best[inside].mean()),
                    "share right": float(right[inside].mean()),
                }
            )
    return rows


def refusals(
    min_scores: Sequence[float],
    best: Floats,
    right: npt.NDArray[np.bool_],
    strange: Floats,
) -> list[dict[str, float]]:
    """Show what each `min_score` would refuse.

    Args:
        min_scores: to try.
        best: [N] best score of questions that a FAQ answers.
        right: [N] whether that match was right.
        strange: best scores of out-of-scope questions.
    """
    rows = []
    for value in min_scores:
        row = {
            "min_score": value,
            "right_answers_kept": _share(best[right] >= value),
            "in_scope_kept": _share(best >= value),
        }
        if len(strange):
            row["out_of_scope_refused"] = _share(strange < value)
        rows.append(row)
    return rows


def _share(marks: npt.NDArray[np.bool_]) -> float:
    return float(marks.mean()) if len(marks) else 0.0
