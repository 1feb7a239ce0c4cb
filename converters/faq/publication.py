"""Puts a FAQ model into an artefact: what the faq task needs, a golden pair, parity examples."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sklearn.pipeline import Pipeline

from converters.errors import UsageError
from converters.faq.graph import OUTPUT, export_faq_model
from converters.faq.records import Faq
from converters.faq.training import NewRow
from converters.parity import Examples
from converters.publish import Publication
from modelserver.cleaning import CLEANING_VERSION, clean_text
from modelserver.tasks.faq import FAQS_NAME

DEFAULT_MAX_CHARACTERS = 20_000
NEW_ROW = "new_row"
"""In faqs.json beside `faqs`: how `faq add` makes the row of a new FAQ."""

_TOLERANCE = 1e-5
_GOLDEN_QUESTIONS = 2
_MOST_EXAMPLES = 1_000
_MOST_SCORES = 10_000_000

# Texts that have broken tokenisers before; every artefact is compared on them.
_HOSTILE = (
    "",
    " \t\r\n ",
    "a",
    "!?",
    "Ünïcödé naïve café ΣΑΣ İstanbul ß",
    "日本語 の テキスト　한국어 ไทย हिन्दी",
    "👩‍👩‍👧 😀 e\u0301 \u200b\ufeff\u00a0\u2028",
    "<p>a &amp;&amp; b</p><pre><code>dropped()</code></pre> $.ajax({url: '/x'})",
    "word " * 500,
    "x" * 5_000,
)


def publication_of(
    pipeline: Pipeline,
    faqs: Sequence[Faq],
    questions: Sequence[str],
    new_row: NewRow,
    *,
    min_score: float,
    evaluation: Mapping[str, Any],
    max_characters: int = DEFAULT_MAX_CHARACTERS,
    top_k: int = 5,
) -> Publication:
    """Describe an artefact of task `faq`.

    Args:
        pipeline: cleaned texts -> probabilities [N, F].
        faqs: in the order of the pipeline's outputs.
        questions: to compare the ONNX model on, besides the FAQs and hostile texts.
        new_row: stored for `faq add`.
        min_score, top_k: defaults of the service.
        evaluation: for the manifest.
        max_characters: longest question that is accepted.

    Raises:
        UnsupportedModel: the pipeline cannot be exported exactly.
    """
    room = max(len(_HOSTILE), min(_MOST_EXAMPLES, _MOST_SCORES // len(faqs)))
    known = _spread([faq.text for faq in faqs], room // 2) + _spread(questions, room // 2)
    instances = list(dict.fromkeys(text[:max_characters] for text in (*_HOSTILE, *known)))
    expected = pipeline.predict_proba([clean_text(text) for text in instances])
    return Publication(
        task="faq",
        onnx_model=export_faq_model(pipeline).SerializeToString(deterministic=True),
        golden_request={
            "instances": [faq.title[:max_characters] for faq in faqs[:_GOLDEN_QUESTIONS]],
            "parameters": {"top_k": min(3, len(faqs))},
        },
        examples=Examples(instances, {OUTPUT: expected}, _TOLERANCE),
        files={
            FAQS_NAME: {
                "faqs": [faq.to_json() for faq in faqs],
                NEW_ROW: asdict(new_row),
            }
        },
        preprocessing={"text_cleaning": CLEANING_VERSION, "max_characters": max_characters},
        parameters={"top_k": top_k, "min_score": min_score},
        evaluation=evaluation,
    )


def check_max_characters(value: int) -> int:
    """Refuse a limit that no question could keep."""
    if value < 1:
        raise UsageError(f"--max-characters: expected a whole number >= 1, got {value}")
    return value


def _spread(texts: Sequence[str], count: int) -> list[str]:
    """Take `count` texts from the whole length of a list."""
    step = max(1, -(-len(texts) // max(1, count)))
    return list(texts[::step])
