"""The historic form of questions: {"input": "<text>"} -> [[Id, AnswerId, probability], …].

All FAQs come back, best first, as they did; `top_k` beside `input` shortens the list.
"""

from collections.abc import Callable, Mapping
from typing import Any

from modelserver import v1
from modelserver.errors import InvalidInput
from modelserver.jsontext import decode_json, quote, show
from modelserver.scoring import ScoringRequest
from modelserver.tasks.faq import FaqTask
from modelserver.work import Work

Form = Callable[[Any], Any]
"""Makes what the client reads of the answer."""


def read(request: ScoringRequest, task: FaqTask, form: Form) -> Work:
    """Read one question, answered by [Id, AnswerId, probability] of every FAQ, best first."""
    v1.require_json(request.content_type)
    content = decode_json(request.body)
    if not isinstance(content, dict) or "input" not in content:
        odd = f" with {quote(min(content))}" if isinstance(content, dict) and content else ""
        raise InvalidInput(f'body: expected {{"input": "<text>"}}, got {show(content)}{odd}')
    if not isinstance(content["input"], str):
        raise InvalidInput(f"input: expected a text, got {show(content['input'])}")
    parameters = {"top_k": content.get("top_k", task.faq_count), "min_score": 0}
    return request.model.read(
        [content["input"]], parameters, lambda predictions: form(_matches(*predictions))
    )


def _matches(prediction: Mapping[str, Any]) -> list[list[Any]]:
    return [[match["id"], match["answer_id"], match["score"]] for match in prediction["matches"]]
