"""Evaluates a FAQ model on questions it was not trained on.

A model is trained on a part of the data and asked the rest; the model that is published is then
trained on everything, and is a little better than what is reported here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.faq.metrics import (
    TIE_RULE,
    majority_floor,
    mark_right,
    rank_right,
    refusals,
    reliability,
    summarise_ranks,
)
from converters.faq.records import FaqData, Id
from converters.faq.rows import Floats
from converters.faq.training import FaqModel
from converters.progress import Progress
from converters.report import Report

_BATCH = 256
_WORST = 10
_MIN_SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found.

    Args:
        summary: numbers for the manifest, name to value.
        worst: the FAQs that were found least, worst first.
        reliability: score against share right, bin by bin.
        refusals: what each `min_score` would refuse.
    """

    summary: Mapping[str, float]
    worst: Sequence[Mapping[str, Any]]
    reliability: Sequence[Mapping[str, Any]]
    refusals: Sequence[Mapping[str, Any]]

    def add_to(self, report: Report) -> None:
        """Add sections to a report."""
        report.section("Evaluation on withheld questions", self.summary)
        report.section("How ranks are counted", {"ties": TIE_RULE})
        report.table("What other values of min_score would do", self.refusals)
        report.table("Score and share of right answers", self.reliability)
        report.table("FAQs found least", self.worst)


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a model says to N questions.

    Args:
        ranks: [N] of the FAQ that answers each question.
        best: [N] score of the best match.
        chosen: [N] column of the best match.
        right: [N] whether the best match answers the question.
    """

    ranks: Floats
    best: Floats
    chosen: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]


def evaluate(model: FaqModel, train: FaqData, test: FaqData) -> Evaluation:
    """Ask a model what it was not trained on.

    Args:
        model: trained on `train`.
        train, test: the two parts of a split.
    """
    targets = [one.duplicate_of for one in test.duplicates]
    strangers = [one.text for one in test.out_of_scope]
    total = len(targets) + len(strangers)
    with Progress("evaluating", total) as progress:
        asked = _ask(model, test, [one.text for one in test.duplicates], targets, progress)
        strange = _ask(model, test, strangers, [()] * len(strangers), progress)
    limits = sorted({*_MIN_SCORES, model.min_score})
    refused = refusals(limits, asked.best, asked.right, strange.best)
    best = np.concatenate([asked.best, strange.best])
    right = np.concatenate([asked.right, strange.right])
    summary = {
        "faqs": len(test.faqs),
        "train_questions": len(train.duplicates),
        "test_questions": len(targets),
        "out_of_scope_questions": len(strangers),
        **summarise_ranks(asked.ranks),
        "majority_floor": majority_floor([one.duplicate_of for one in train.duplicates], targets),
        **refused[limits.index(model.min_score)],
    }
    return Evaluation(summary, _worst(test, asked), reliability(best, right), refused)


def _ask(
    model: FaqModel,
    data: FaqData,
    texts: Sequence[str],
    targets: Sequence[Sequence[Id]],
    progress: Progress,
) -> _Answers:
    """Score texts in batches, so that memory does not grow with their number."""
    found = []
    for start in range(0, len(texts), _BATCH):
        part = slice(start, start + _BATCH)
        scores = model.pipeline.predict_proba(texts[part])
        marks = mark_right(data.names, targets[part])
        rows, chosen = np.arange(len(scores)), scores.argmax(axis=1)
        ranks = rank_right(scores, marks)
        found.append(_Answers(ranks, scores[rows, chosen], chosen, marks[rows, chosen]))
        progress.advance(len(rows))
    empty = np.zeros(0)
    found.append(_Answers(empty, empty, empty.astype(np.int64), empty.astype(np.bool_)))
    return _Answers(
        np.concatenate([one.ranks for one in found]),
        np.concatenate([one.best for one in found]),
        np.concatenate([one.chosen for one in found]),
        np.concatenate([one.right for one in found]),
    )


def _worst(test: FaqData, asked: _Answers) -> list[dict[str, Any]]:
    """List the FAQs whose questions were found least, and what was answered instead."""
    by_faq: dict[Id, list[int]] = {}
    for number, one in enumerate(test.duplicates):
        by_faq.setdefault(one.duplicate_of[0], []).append(number)
    rows: list[dict[str, Any]] = []
    for faq in test.faqs:
        numbers = by_faq.get(faq.id, [])
        wrong = Counter(int(asked.chosen[n]) for n in numbers if not asked.right[n])
        if wrong:
            ((rival, _),) = wrong.most_common(1)
            rows.append(
                {
                    "id": faq.id,
                    "title": faq.title,
                    "asked": len(numbers),
                    "found first": len(numbers) - wrong.total(),
                    "mean rank": float(asked.ranks[numbers].mean()),
                    "most often taken for": test.faqs[rival].id,
                }
            )
    rows.sort(key=lambda row: (row["found first"] / row["asked"], -row["mean rank"]))
    return rows[:_WORST]
