"""The header that ties a request to its caller's trace."""

import pytest

from modelserver.traceparent import read, trace_id
from tests.modelserver.conftest import Site

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("header", [GOOD, f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01-more"])
def test_known_forms(header: str) -> None:
    """The trace's id is read from this version of the header and from later ones."""
    assert read(header) == header
    assert trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "x", TRACE, f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01"),
        *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", GOOD.upper(), GOOD + "\n"),
        *(f" {GOOD}", f"{GOOD}-{'x' * 65}", f"{GOOD}-a\r\nb"),
    ],
)
def test_malformed(header: str | None) -> None:
    """Anything else is as if it had not come, as the standard asks."""
    assert read(header) == ""
    assert trace_id("") == ""


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_echoed_and_logged(site: Site, method: str) -> None:
    """Scoring and pages alike send the header back and log the trace's id."""
    path = "/v1/models/faq:predict" if method == "POST" else "/v1/models"
    answer = site.scoring.open(
        path, method=method, json={"instances": ["x"]}, headers={"traceparent": GOOD}
    )
    assert answer.headers["traceparent"] == GOOD
    assert [event["trace_id"] for event in site.events] == [TRACE]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_malformed_one_is_not_echoed(site: Site, method: str) -> None:
    """What is no traceparent goes neither into the answer nor into the log."""
    path = "/v1/models/faq:predict" if method == "POST" else "/v1/models"
    answer = site.scoring.open(
        path, method=method, json={"instances": ["x"]}, headers={"traceparent": "secret"}
    )
    assert "traceparent" not in answer.headers
    assert [event["trace_id"] for event in site.events] == [""]
