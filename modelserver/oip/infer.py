"""The inference route of the protocol, answered on the hot path."""

import re
import time

from modelserver.oip.request import HEADER_LENGTH, read_request
from modelserver.oip.response import write_response
from modelserver.replies import Reply
from modelserver.scoring import Route, ScoringRequest
from modelserver.statistics import Stages


def infer(request: ScoringRequest) -> Reply:
    """Answer one inference request."""
    model = request.model
    started = time.perf_counter()
    asked = read_request(model, request.body, request.header(HEADER_LENGTH), request.max_instances)
    decoded = time.perf_counter()
    outputs = model.infer(asked.feeds)
    inferred = time.perf_counter()
    reply = write_response(model, asked, outputs)
    encoded = time.perf_counter()
    rows = len(next(iter(asked.feeds.values()))) if model.signature.has_rows else 1
    stages = Stages(rows, decoded - started, inferred - decoded, encoded - inferred)
    request.scorer.record(model, stages)
    return reply


ROUTES = (
    Route(
        "/v2/models/<name>/infer",
        re.compile(r"/v2/models/(?P<model>[^/]*)(?:/versions/(?P<version>[^/]*))?/infer"),
        infer,
    ),
)
