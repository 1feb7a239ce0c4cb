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
from collections.abc import Callable
from typing import Any

from modelserver.compat import faq, image
from modelserver.errors import InvalidInput
from modelserver.scoring import Route, ScoringRequest
from modelserver.tasks.faq import FaqTask
from modelserver.tasks.image import ImageTask
from modelserver.work import Work

HEALTHY = "Healthy"


def _score(request: ScoringRequest) -> Work:
    """Read the first implementation's form."""
    return _read_timed(request, lambda answer: {"result": answer})


def _score_service(request: ScoringRequest) -> Work:
    """Read the second implementation's form."""
    task = request.model.task
    if isinstance(task, FaqTask):
        return faq.read(request, task, lambda answer: answer)
    return _read_timed(request, lambda answer: answer)


def _read_timed(request: ScoringRequest, form: Callable[[Any], Any]) -> Work:
    """Read what is answered with the time it took: a pair, or its repr where the client evals."""
    started = time.perf_counter()

    def with_time(answer: Any, as_python: bool = False) -> Any:
        took = f"Computed in {(time.perf_counter() - started) * 1000:.2f} ms"
        return form(repr((answer, took)) if as_python else [answer, took])

    task = request.model.task
    if isinstance(task, FaqTask):
        return faq.read(request, task, with_time)
    if isinstance(task, ImageTask):
        return image.read(request, with_time)
    raise InvalidInput(
        f"model {request.model.name!r} has no historic form; "
        f"use /v1/models/{request.model.name}:predict"
    )


ROUTES = (
    Route("/score", re.compile("/score"), _score),
    Route(
        "/api/v1/service/<name>/score",
        re.compile("/api/v1/service/(?P<model>[^/]*)/score"),
        _score_service,
    ),
)
