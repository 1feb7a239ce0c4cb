"""Task `faq`: one question in, the best matching FAQs out.

Shapes: a text -> `question` str -> `probabilities` float32 [F], one match probability per FAQ, in
the order of faqs.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver.artefact import Artefact
from modelserver.cleaning import CLEANING_VERSION, clean_text
from modelserver.errors import (
    ArtefactError,
    InvalidInput,
    TooLarge,
    Undecodable,
    UnsupportedMediaType,
)
from modelserver.jsontext import quote, show
from modelserver.manifest import ANY_SIZE, TensorSpec
from modelserver.tasks.elements import map_elements
from modelserver.tasks.fields import check_known, read_count, read_share
from modelserver.tasks.ranking import top

FAQS_NAME = "faqs.json"
INPUT = "question"
OUTPUT = "probabilities"


@dataclass(frozen=True, slots=True)
class FaqParameters:
    """How many matches to answer, and the score from which one counts as a match."""

    top_k: int
    min_score: float


class FaqTask:
    """Cleans questions and names the FAQs behind the scores.

    Args:
        artefact: with faqs.json, `preprocessing.max_characters`, `preprocessing.text_cleaning`
            and the default `parameters.top_k` and `parameters.min_score`.

    Raises:
        ArtefactError: one of these is missing, or does not fit the model's outputs.
    """

    encoded_input = ""

    def __init__(self, artefact: Artefact) -> None:
        manifest = artefact.manifest
        where = f"{artefact.folder}/manifest.json"
        cleaning = manifest.preprocessing.get("text_cleaning")
        if cleaning != CLEANING_VERSION:
            raise ArtefactError(
                f"{where}: preprocessing.text_cleaning: this server cleans questions by rule "
                f"{CLEANING_VERSION}, the model was trained with {cleaning!r}"
            )
        self._max_characters = _read_limit(where, manifest.preprocessing)
        try:
            self._defaults = FaqParameters(
                read_count(manifest.parameters, "top_k", 5),
                read_share(manifest.parameters, "min_score", 0.0),
            )
        except InvalidInput as error:
            raise ArtefactError(f"{where}: {error}") from error
        self._faqs = _read_faqs(artefact)
        expected = (
            (TensorSpec(INPUT, "BYTES", (ANY_SIZE,)),),
            (TensorSpec(OUTPUT, "FP32", (ANY_SIZE, len(self._faqs))),),
        )
        if (manifest.inputs, manifest.outputs) != expected:
            raise ArtefactError(
                f"{where}: a faq model with {len(self._faqs)} FAQs has the input "
                f"{expected[0][0]} and the output {expected[1][0]}"
            )

    def read_parameters(self, given: Mapping[str, Any]) -> FaqParameters:
        """Read `top_k` (FAQs to answer) and `min_score` (0 to 1)."""
        if not given:
            return self._defaults
        check_known(given, ("top_k", "min_score"))
        return FaqParameters(
            read_count(given, "top_k", self._defaults.top_k),
            read_share(given, "min_score", self._defaults.min_score),
        )

    def read_body(self, body: bytes, content_type: str) -> list[str]:
        """Take a text/plain body as one question."""
        if content_type != "text/plain":
            raise UnsupportedMediaType(
                f"Content-Type: expected application/json or text/plain, got {quote(content_type)}"
            )
        try:
            return [body.decode("utf-8")]
        except UnicodeDecodeError as error:
            raise Undecodable(f"body: not UTF-8 text: {error}") from error

    def decode(self, instance: Any) -> Mapping[str, Any]:
        """Clean one question, given as a text or as {"text": …}."""
        text = instance
        if isinstance(instance, dict):
            if instance.keys() != {"text"}:
                unknown = instance.keys() - {"text"}
                odd = f"with {quote(min(unknown))}" if unknown else "without it"
                raise InvalidInput(f'expected a text or {{"text": …}}, got an object {odd}')
            text = instance["text"]
        if not isinstance(text, str):
            raise InvalidInput(f'expected a text or {{"text": …}}, got {show(text)}')
        return {INPUT: self._clean(text)}

    def from_tensor(self, name: str, array: np.ndarray) -> np.ndarray:
        """Clean the questions [N] as those of instances."""
        return np.array(map_elements(array, self._clean), np.object_)

    def _clean(self, text: str) -> str:
        if len(text) > self._max_characters:
            raise TooLarge(f"expected at most {self._max_characters} characters, got {len(text)}")
        return clean_text(text)

    def encode(self, row: Mapping[str, np.ndarray], parameters: FaqParameters) -> dict[str, Any]:
        """Rank the FAQs by score; the lower column wins a tie."""
        scores = row[OUTPUT]  # [F]
        best = top(scores, parameters.top_k)
        matches = [{**self._faqs[i], "score": float(scores[i])} for i in best]
        return {"matches": matches, "matched": matches[0]["score"] >= parameters.min_score}

    @property
    def faq_count(self) -> int:
        """F, the number of FAQs."""
        return len(self._faqs)

    def labels(self, output: str) -> list[Any]:
        """The FAQs' ids."""
        return [faq["id"] for faq in self._faqs]

    def describe(self) -> dict[str, Any]:
        """The number of FAQs, the limits and the defaults."""
        return {
            "faqs": self.faq_count,
            "max_characters": self._max_characters,
            "parameters": {
                "top_k": self._defaults.top_k,
                "min_score": self._defaults.min_score,
            },
        }


def _read_limit(where: str, preprocessing: Mapping[str, Any]) -> int:
    limit = preprocessing.get("max_characters")
    if type(limit) is not int or limit < 1:
        raise ArtefactError(
            f"{where}: preprocessing.max_characters: expected a whole number >= 1, got {limit!r}"
        )
    return limit


def _read_faqs(artefact: Artefact) -> list[dict[str, Any]]:
    """Read what an answer says of each FAQ: id, answer_id and title."""
    where = f"{artefact.folder}/{FAQS_NAME}"
    content = artefact.read_json(FAQS_NAME)
    rows = content.get("faqs") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ArtefactError(f"{where}: expected a list `faqs` with at least one FAQ")
    named = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not {"id", "answer_id", "title"} <= row.keys():
            raise ArtefactError(f"{where}: faqs[{number}]: expected id, answer_id and title")
        named.append({key: row[key] for key in ("id", "answer_id", "title")})
    return named
