"""The reference implementation's wire forms, so that its clients keep working.

    POST /score                          {"result": [ANSWER, "Computed in 1.23 ms"]}
    POST /api/v1/service/<name>/score    ANSWER for questions, [ANSWER, "Computed in 1.23 ms"] for
                                         images
    GET  /                               Healthy
    GET  /version                        version of the library that runs the model

What goes in and what ANSWER is: faq.py and image.py. /score has no model name: it means the only
model of the server. Not brought back: GET on the second path, which described the Azure machine.
"""

import re
import time
from typing import Any

from modelserver.compat import faq, image
from modelserver.errors import InvalidInput
from modelserver.scoring import Route, ScoringRequest
from modelserver.tasks.faq import FaqTask
from modelserver.tasks.image import ImageTask

HEALTHY = "Healthy"


def _score(request: ScoringRequest) -> Any:
    """Answer the first implementation's form."""
    return {"result": _with_time(request)}


def _score_service(request: ScoringRequest) -> Any:
    """Answer the second implementation's form."""
    task = request.model.task
    return faq.answer(request, task) if isinstance(task, FaqTask) else _with_time(request)


def _with_time(request: ScoringRequest) -> Any:
    """The answer and how long it took: a pair, or its Python repr where the client evals it."""
    started = time.perf_counter()
    task = request.model.task
    answer: Any
    as_python = False
    if isinstance(task, FaqTask):
        answer = faq.answer(request, task)
    elif isinstance(task, ImageTask):
        answer, as_python = image.answer(request)
    else:
        raise InvalidInput(
            f"model {request.model.name!r} has no historic form; "
            f"use /v1/models/{request.model.name}:predict"
        )
    took = f"Computed in {(time.perf_counter() - started) * 1000:.2f} ms"
    return repr((answer, took)) if as_python else [answer, took]


ROUTES = (
    Route("/score", re.compile("/score"), _score),
    Route(
        "/api/v1/service/<name>/score",
        re.compile("/api/v1/service/(?P<model>[^/]*)/score"),
        _score_service,
    ),
)
