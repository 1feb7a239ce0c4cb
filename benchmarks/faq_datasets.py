"""FAQ data sets with a seeded split into what is learned from and what is asked."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from converters.faq.records import Duplicate, Faq, FaqData, read_faq_data
from converters.faq.split import split
from modelserver.cleaning import clean_text

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data" / "faq"

TEST_SHARE = 0.2

# Sizes of the trial in which this data was first used here, so that results can be compared.
_BANKING_DUPLICATES = 1_353
_BANKING_QUESTIONS = 1_000

Split = tuple[FaqData, FaqData]


def javascript(seed: int) -> Split:
    """Our own JavaScript FAQ: 67 FAQs with answers, about 12 duplicates each."""
    folder = ROOT / "examples" / "javascript-faq"
    names = ("faqs", "duplicates", "out_of_scope")
    data = read_faq_data(*(str(folder / f"{name}.jsonl") for name in names))
    return split(data, TEST_SHARE, seed)


def travel(seed: int) -> Split:
    """travel.stackexchange.com: 544 FAQs of which most have one duplicate or none."""
    folder = SHARED / "travel_se"
    data = read_faq_data(str(folder / "originals.jsonl"), str(folder / "duplicates.jsonl"))
    return split(data, TEST_SHARE, seed)


def banking(seed: int) -> Split:
    """banking77: one query of each of the 77 intents is its FAQ, 1,353 others are duplicates."""
    chance = np.random.default_rng(seed)
    train = _read_queries(SHARED / "banking77" / "train.csv")
    test = _read_queries(SHARED / "banking77" / "test.csv")
    faqs: dict[str, Faq] = {}
    others: list[tuple[str, str]] = []
    for number in chance.permutation(len(train)):
        text, intent = train[number]
        if intent in faqs:
            others.append((text, intent))
        else:
            faqs[intent] = Faq(intent, intent, intent, text)
    asked = [test[number] for number in chance.permutation(len(test))[:_BANKING_QUESTIONS]]
    ordered = [faqs[intent] for intent in sorted(faqs)]
    return (
        FaqData(ordered, _duplicates(others[:_BANKING_DUPLICATES], "train")),
        FaqData(ordered, _duplicates(asked, "test")),
    )


DATASETS: dict[str, Callable[[int], Split]] = {
    "javascript": javascript,
    "banking77": banking,
    "travel_se": travel,
}


def is_present(name: str) -> bool:
    """Whether the files of a data set are on this machine."""
    return name == "javascript" or (SHARED / name).is_dir()


def _read_queries(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return [(clean_text(row["text"]), row["category"]) for row in csv.DictReader(lines)]


def _duplicates(queries: Sequence[tuple[str, str]], kind: str) -> list[Duplicate]:
    return [
        Duplicate(f"{kind} {number}", text, (intent,))
        for number, (text, intent) in enumerate(queries)
    ]
