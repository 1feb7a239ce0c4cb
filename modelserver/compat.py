"""The reference implementation's wire forms, so that its clients keep working.

    POST /score                          {"input": "<text>"} -> {"result": [[[Id, AnswerId, p], …],
                                                                 "Computed in 1.23 ms"]}
    POST /api/v1/service/<name>/score    {"input": "<text>"} -> [[Id, AnswerId, p], …]
    GET  /                               Healthy
    GET  /version                        version of the library that runs the model

All FAQs come back, best first, as they did; `top_k` shortens the list. /score has no model name:
it means the only model of the server.
"""

import re
import time
from typing import Any

from modelserver import v1
from modelserver.errors import InvalidInput
from modelserver.jsontext import decode_json, show
from modelserver.scoring import Route, ScoringRequest
from modelserver.tasks.faq import FaqTask

HEALTHY = "Healthy"


def _score(request: ScoringRequest) -> Any:
    """Answer the first implementation's form, with the time it took."""
    started = time.perf_counter()
    triples = _faq_triples(request)
    milliseconds = (time.perf_counter() - started) * 1000
    return {"result": [triples, f"Computed in {milliseconds:.2f} ms"]}


def _score_service(request: ScoringRequest) -> Any:
    """Answer the second implementation's form: the bare list."""
    return _faq_triples(request)


def _faq_triples(request: ScoringRequest) -> list[list[Any]]:
    """Score one question: [Id, AnswerId, probability] of every FAQ, best first."""
    v1.require_json(request.content_type)
    content = decode_json(request.body)
    if not isinstance(content, dict) or "input" not in content:
        raise InvalidInput(f'body: expected {{"input": "<text>"}}, got {show(content)}')
    task = request.model.task
    if not isinstance(task, FaqTask):
        raise InvalidInput(
            f"model {request.model.name!r} is no faq model; "
            f"use /v1/models/{request.model.name}:predict"
        )
    if not isinstance(content["input"], str):
        raise InvalidInput(f"input: expected a text, got {show(content['input'])}")
    parameters = {"top_k": content.get("top_k", task.faq_count), "min_score": 0}
    prediction = request.scorer.score(request.model, [content["input"]], parameters)[0]
    return [[match["id"], match["answer_id"], match["score"]] for match in prediction["matches"]]


ROUTES = (
    Route("/score", re.compile("/score"), _score),
    Route(
        "/api/v1/service/<name>/score",
        re.compile("/api/v1/service/(?P<model>[^/]*)/score"),
        _score_service,
    ),
)
