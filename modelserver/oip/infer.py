"""The inference route of the protocol, answered on the hot path."""

import re

from modelserver.oip.request import HEADER_LENGTH, read_request
from modelserver.oip.response import write_response
from modelserver.scoring import Route, ScoringRequest
from modelserver.work import Work


def infer(request: ScoringRequest) -> Work:
    """Read one inference request."""
    model = request.model
    asked = read_request(model, request.body, request.header(HEADER_LENGTH), request.max_instances)
    return model.read_tensors(
        asked.feeds,
        lambda outputs: write_response(model, asked, outputs),
        asked.timeout_microseconds / 1e6,
    )


ROUTES = (
    Route(
        "/v2/models/<name>/infer",
        re.compile(r"/v2/models/(?P<model>[^/]*)(?:/versions/(?P<version>[^/]*))?/infer"),
        infer,
    ),
)
