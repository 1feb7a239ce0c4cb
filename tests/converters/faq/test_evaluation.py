"""Evaluation: an honest split, ranks with a stated tie rule, rates that add up."""

import numpy as np
import pytest

from converters.faq.evaluation import evaluate
from converters.faq.metrics import (
    majority_floor,
    mark_right,
    rank_right,
    refusals,
    reliability,
    summarise_ranks,
)
from converters.faq.records import FaqData, Question
from converters.faq.split import split
from converters.faq.training import fit
from converters.report import Report
from tests.converters.faq_samples import plain_data, small_data


@pytest.mark.parametrize(
    ("counts", "share", "asked"),
    [
        ([10], 0.2, 2),
        ([9], 0.21, 1),
        ([2], 0.2, 1),
        ([3], 0.9, 2),
        ([1], 0.2, 0),
        ([1] * 10, 0.2, 2),
        ([0, 0], 0.2, 0),
        ([12, 5, 1, 0], 0.21, 3),
    ],
)
def test_split_takes_the_share(counts: list[int], share: float, asked: int) -> None:
    """Each FAQ gives max(1, floor(share n)); a share of those with one duplicate gives it away."""
    data = plain_data(counts)
    train, test = split(data, share, seed=0)
    assert len(test.duplicates) == asked
    assert len(train.duplicates) == len(data.duplicates) - asked
    assert not set(train.duplicates) & set(test.duplicates)
    assert train.faqs == test.faqs == data.faqs


def test_split_is_seeded() -> None:
    """Equal seeds split alike, others otherwise."""
    data = plain_data([20] * 5)
    first, second, other = (split(data, 0.2, seed)[1].duplicates for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_split_halves_the_strangers() -> None:
    """Half of the out-of-scope questions are asked."""
    strangers = [Question(number, f"text {number}") for number in range(11)]
    train, test = split(FaqData(plain_data([5]).faqs, (), strangers), 0.2, seed=0)
    assert (len(train.out_of_scope), len(test.out_of_scope)) == (6, 5)


@pytest.mark.parametrize(
    ("scores", "right", "rank"),
    [
        ([0.9, 0.1, 0.0], [1, 0, 0], 1),
        ([0.9, 0.1, 0.0], [0, 0, 1], 3),
        ([0.5, 0.5, 0.1], [1, 0, 0], 1.5),
        ([0.2, 0.2, 0.2], [0, 1, 0], 2),
        ([0.9, 0.5, 0.1], [0, 1, 1], 2),
        ([0.9, 0.5, 0.1], [0, 0, 0], 4),
    ],
    ids=["first", "last", "tie of two", "all alike", "best of two right ones", "not in the model"],
)
def test_ranks(scores: list[float], right: list[int], rank: float) -> None:
    """Ties get the average rank, several right FAQs the best, a missing FAQ F + 1."""
    assert rank_right(np.array([scores]), np.array([right], bool)).tolist() == [rank]


def test_rank_summary() -> None:
    """Accuracy@k is the share of ranks up to k; a tie at the top is not a hit at 1."""
    found = summarise_ranks(np.array([1, 1.5, 3, 11]))
    assert found["accuracy@1"] == 0.25
    assert found["accuracy@2"] == 0.5
    assert found["accuracy@3"] == found["accuracy@10"] == 0.75
    assert found["mean_rank"] == 4.125
    assert found["mrr"] == pytest.approx((1 + 1 / 1.5 + 1 / 3 + 1 / 11) / 4)
    assert summarise_ranks(np.zeros(0)) == {}


def test_marks() -> None:
    """A question may have several FAQs; one that the model does not have is marked nowhere."""
    marks = mark_right(["a", 2], [["a", 2], [3], []])
    assert marks.tolist() == [[True, True], [False, False], [False, False]]


def test_floor() -> None:
    """Always answering the FAQ that is asked most is right as often as it is asked."""
    assert majority_floor([["a"], ["b"], ["b", "c"]], [["b"], ["a"], ["c", "b"], ["d"]]) == 0.5
    assert majority_floor([], [["a"]]) == 0.0


def test_refusals() -> None:
    """A question at `min_score` is kept; without out-of-scope questions no refusal is claimed."""
    best, right = np.array([0.2, 0.5, 0.9]), np.array([False, True, True])
    (row,) = refusals([0.5], best, right, np.array([0.1, 0.5, 0.6, 0.4]))
    assert row == {
        "min_score": 0.5,
        "right_answers_kept": 1.0,
        "in_scope_kept": pytest.approx(2 / 3),
        "out_of_scope_refused": 0.5,
    }
    assert "out_of_scope_refused" not in refusals([0.5], best, right, np.zeros(0))[0]


def test_reliability() -> None:
    """Every question falls into one bin, a score of 1 into the last; empty bins are left out."""
    rows = reliability(np.array([0.0, 0.19, 0.2, 1.0]), np.array([False, True, True, True]))
    assert [row["questions"] for row in rows] == [2, 1, 1]
    assert [row["share right"] for row in rows] == [0.5, 1, 1]
    assert rows[-1]["best score"] == "0.8 to 1"


def test_evaluation_of_a_model() -> None:
    """The whole evaluation: numbers for the manifest, tables for the report."""
    train, test = split(small_data(8), 0.2, seed=0)
    found = evaluate(fit(train), train, test)
    summary = found.summary
    assert summary["test_questions"] == len(test.duplicates)
    assert summary["out_of_scope_questions"] == 20
    assert summary["accuracy@1"] > 3 * summary["majority_floor"]
    assert summary["in_scope_kept"] <= summary["right_answers_kept"] <= 1
    assert sum(row["questions"] for row in found.reliability) == len(test.duplicates) + 20
    assert all(row["found first"] < row["asked"] for row in found.worst)
    report = Report("t")
    found.add_to(report)
    assert "FAQs found least" in report.to_text()
