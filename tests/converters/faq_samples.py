"""Small FAQ data: a few FAQs of the example, and files of records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.faq.records import Duplicate, Faq, FaqData, read_faq_data
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "javascript-faq"


def small_data(faqs: int = 12) -> FaqData:
    """The first FAQs of the example, with their duplicates and 40 out-of-scope questions."""
    names = ("faqs", "duplicates", "out_of_scope")
    data = read_faq_data(*(str(EXAMPLE / f"{name}.jsonl") for name in names))
    kept = data.faqs[:faqs]
    ids = {faq.id for faq in kept}
    return FaqData(
        kept,
        [one for one in data.duplicates if ids.issuperset(one.duplicate_of)],
        data.out_of_scope[:40],
    )


_TOPICS = [
    "closures",
    "promises",
    "regexes",
    "cookies",
    "sorting",
    "dates",
    "modules",
    "events",
    "strings",
    "numbers",
]


def plain_data(counts: Sequence[int]) -> FaqData:
    """FAQs 0, 1, ... about different topics, with as many duplicates as `counts` says."""
    topics = [_TOPICS[number % len(_TOPICS)] for number in range(len(counts))]
    faqs = [Faq(n, n, topic, f"how do {topic} work") for n, topic in enumerate(topics)]
    duplicates = [
        Duplicate(f"{n}-{one}", f"{topic} explained, number {one}", (n,))
        for n, topic in enumerate(topics)
        for one in range(counts[n])
    ]
    return FaqData(faqs, duplicates)


def write_lines(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> str:
    """Write JSON lines; a text is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)
