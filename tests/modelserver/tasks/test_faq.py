"""Task faq: clean questions in, ranked FAQs out, and a model that fits its list of FAQs."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelserver.artefact import Artefact
from modelserver.errors import (
    ArtefactError,
    InvalidInput,
    RequestError,
    TooLarge,
    Undecodable,
    UnsupportedMediaType,
)
from modelserver.tasks.faq import FaqParameters, FaqTask
from tests.modelserver.samples import FAQS, MAX_CHARACTERS, publish_faq

SCORES = {"probabilities": np.array([0.25, 0.75, 0.5, 0.75], np.float32)}


@pytest.fixture
def artefact(faq_models: Path) -> Artefact:
    return Artefact.open(faq_models / "faq" / "1")


@pytest.fixture
def task(artefact: Artefact) -> FaqTask:
    return FaqTask(artefact)


@pytest.mark.parametrize("instance", ["How DO I?", {"text": "<p>how do</p> i?"}])
def test_questions_are_cleaned(task: FaqTask, instance: Any) -> None:
    """A question is a text or an object with a text, cleaned as in training."""
    assert task.decode(instance) == {"question": "how do i?"}


@pytest.mark.parametrize("text", ["", " ", "\x00", "<pre>x</pre>", "🙂" * MAX_CHARACTERS])
def test_any_text_is_a_question(task: FaqTask, text: str) -> None:
    """Empty texts are questions, too, and length counts characters, not bytes."""
    assert isinstance(task.decode(text)["question"], str)


@pytest.mark.parametrize("instance", ["x" * (MAX_CHARACTERS + 1), {"text": " " * 1001}])
def test_long_text(task: FaqTask, instance: Any) -> None:
    """One character past the limit is refused with the limit."""
    with pytest.raises(TooLarge, match="expected at most 1000 characters, got 1001"):
        task.decode(instance)


@pytest.mark.parametrize(
    ("instance", "got"),
    [
        (None, "got null"),
        (7, r"got a number \(7\)"),
        (True, r"got a boolean \(True\)"),
        (["a"], "got a list"),
        ({}, "got an object without it"),
        ({"text": None}, "got null"),
        ({"text": ["a"]}, "got a list"),
        ({"texts": "a"}, "got an object with 'texts'"),
        ({"text": "a", "lang": "de"}, "got an object with 'lang'"),
    ],
)
def test_no_question(task: FaqTask, instance: Any, got: str) -> None:
    """Anything else is refused with what was expected and what came."""
    with pytest.raises(InvalidInput, match=r'expected a text or \{"text": …\}, ' + got):
        task.decode(instance)


def test_ranking(task: FaqTask) -> None:
    """FAQs come best first with their ids and title; the earlier one wins a tie."""
    answer = task.encode(SCORES, FaqParameters(top_k=3, min_score=0.75))
    assert answer == {
        "matches": [
            {**FAQS[1], "score": 0.75},
            {**FAQS[3], "score": 0.75},
            {**FAQS[2], "score": 0.5},
        ],
        "matched": True,
    }


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (4, 4), (5, 4), (10**9, 4)])
def test_top_k(task: FaqTask, top_k: int, count: int) -> None:
    """As many matches as asked for, or as there are FAQs."""
    assert len(task.encode(SCORES, FaqParameters(top_k, 0.0))["matches"]) == count


@pytest.mark.parametrize(("min_score", "matched"), [(0.0, True), (0.75, True), (0.7501, False)])
def test_no_match(task: FaqTask, min_score: float, matched: bool) -> None:
    """A best score below min_score means that no FAQ answers; the ranking is still shown."""
    answer = task.encode(SCORES, FaqParameters(2, min_score))
    assert (answer["matched"], len(answer["matches"])) == (matched, 2)


def test_answer_is_json(task: FaqTask) -> None:
    """An answer holds plain JSON values, no numpy ones."""
    json.dumps(task.encode(SCORES, FaqParameters(4, 0.5)))


@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        ({}, FaqParameters(2, 0.5)),
        ({"top_k": 1}, FaqParameters(1, 0.5)),
        ({"min_score": 0}, FaqParameters(2, 0.0)),
        ({"min_score": 1}, FaqParameters(2, 1.0)),
        ({"top_k": 3, "min_score": 0.25}, FaqParameters(3, 0.25)),
    ],
    ids=str,
)
def test_parameters(task: FaqTask, given: dict[str, Any], parameters: FaqParameters) -> None:
    """Parameters that are not given are the model's own."""
    assert task.read_parameters(given) == parameters


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *[
            ({"top_k": value}, "parameters.top_k: expected a whole number >= 1")
            for value in (0, -1)
        ],
        *[({"top_k": value}, "parameters.top_k: ") for value in (1.0, "1", True, None, [1])],
        *[({"min_score": value}, "parameters.min_score: ") for value in (-0.1, 1.1, "0", None)],
        *[({"min_score": value}, "parameters.min_score: ") for value in (True, [0], float("nan"))],
        ({"topk": 1}, "parameters: unknown 'topk'; this model takes top_k, min_score"),
        ({"x" * 1000: 1}, f"parameters: unknown '{'x' * 60}…'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_parameters(task: FaqTask, given: dict[str, Any], message: str) -> None:
    """A wrong or unknown parameter is refused by name."""
    with pytest.raises(InvalidInput) as caught:
        task.read_parameters(given)
    assert str(caught.value).startswith(message)


def test_plain_text_body(task: FaqTask) -> None:
    """A text/plain body is one question."""
    assert task.read_body("Wie geht’s?".encode(), "text/plain") == ["Wie geht’s?"]


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"\xff", "text/plain", Undecodable),
        ("é".encode("latin-1"), "text/plain", Undecodable),
        (b"x", "application/x-www-form-urlencoded", UnsupportedMediaType),
        (b"x", "image/png", UnsupportedMediaType),
        (b"x", "text/html", UnsupportedMediaType),
    ],
)
def test_wrong_body(
    task: FaqTask, body: bytes, content_type: str, error: type[RequestError]
) -> None:
    """A body of another type, or one that is not UTF-8, is refused."""
    with pytest.raises(error):
        task.read_body(body, content_type)


def test_description(task: FaqTask) -> None:
    """A caller can ask for the number of FAQs, the limit and the defaults."""
    assert task.describe() == {
        "faqs": 4,
        "max_characters": MAX_CHARACTERS,
        "parameters": {"top_k": 2, "min_score": 0.5},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *[
            ({"preprocessing": {"text_cleaning": value, "max_characters": 1}}, "text_cleaning")
            for value in (None, 0, 2, "1")
        ],
        *[
            ({"preprocessing": {"text_cleaning": 1, "max_characters": value}}, "max_characters")
            for value in (None, 0, -1, 1.5, "1", True)
        ],
        ({"preprocessing": {}}, "preprocessing.text_cleaning"),
        ({"parameters": {"top_k": 0}}, "parameters.top_k: expected a whole number"),
        ({"parameters": {"min_score": 2}}, "parameters.min_score: expected a number"),
    ],
    ids=str,
)
def test_wrong_manifest(artefact: Artefact, changes: dict[str, Any], message: str) -> None:
    """What the task needs from the manifest is named when it is missing or wrong."""
    manifest = dataclasses.replace(artefact.manifest, **changes)
    with pytest.raises(ArtefactError, match=rf"/manifest\.json: .*{message}"):
        FaqTask(dataclasses.replace(artefact, manifest=manifest))


@pytest.mark.parametrize(
    ("faqs", "message"),
    [
        ([], "expected a list `faqs`"),
        ({}, "expected a list `faqs`"),
        ({"faqs": []}, "expected a list `faqs` with at least one FAQ"),
        ({"faqs": {"id": 1}}, "expected a list `faqs`"),
        ({"faqs": [*FAQS[:3], None]}, r"faqs\[3\]: expected id, answer_id and title"),
        ({"faqs": [*FAQS[:3], {"id": 1}]}, r"faqs\[3\]: expected id, answer_id and title"),
    ],
    ids=str,
)
def test_wrong_faqs(
    tmp_path: Path, reseal: Callable[[Path, str, str], None], faqs: Any, message: str
) -> None:
    """A list of FAQs of another form is refused by file and row."""
    folder = publish_faq(tmp_path)
    reseal(folder, "faqs.json", json.dumps(faqs))
    with pytest.raises(ArtefactError, match=rf"/faqs\.json: {message}"):
        FaqTask(Artefact.open(folder))


@pytest.mark.parametrize("count", [3, 5])
def test_faqs_that_do_not_fit(
    tmp_path: Path, reseal: Callable[[Path, str, str], None], count: int
) -> None:
    """A list with one FAQ too few or too many would name the wrong ones, so it is refused."""
    folder = publish_faq(tmp_path)
    reseal(folder, "faqs.json", json.dumps({"faqs": [*FAQS, *FAQS][:count]}))
    with pytest.raises(ArtefactError, match=f"a faq model with {count} FAQs has the input"):
        FaqTask(Artefact.open(folder))


def test_extra_fields_stay_private(tmp_path: Path) -> None:
    """Texts and notes in faqs.json are for converters; answers name id, answer_id and title."""
    task = FaqTask(
        Artefact.open(publish_faq(tmp_path, faqs=[{**faq, "text": "t"} for faq in FAQS]))
    )
    best = task.encode(SCORES, FaqParameters(1, 0.0))["matches"][0]
    assert best.keys() == {"id", "answer_id", "title", "score"}
