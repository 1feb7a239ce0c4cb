"""Spans that reach a collector."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from modelserver.errors import SettingsError
from modelserver.tracing import choose_spans
from tests.conftest import RunningServer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """The address of a collector, and the spans that it got."""
    trace_service = pytest.importorskip(
        "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
        reason="no OpenTelemetry: the extra `tracing`",
    )
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            export = trace_service.ExportTraceServiceRequest.FromString(body)
            for resource in export.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_become_spans(
    faq_models: Path, serve: Callable[..., RunningServer], collector: tuple[str, list[Any]]
) -> None:
    """A scored request, a refused one and a page are spans in the caller's trace, at the latest
    when the server ends."""
    endpoint, spans = collector
    server = serve(faq_models, "--otlp-endpoint", endpoint)
    parent = f"00-{TRACE}-{SPAN}-01"
    path, body = "/v1/models/faq:predict", {"instances": ["copy an array"]}
    server.request(path, body, traceparent=parent)
    server.request(path, {"instances": [7]}, traceparent=parent)
    server.request("/v1/models", traceparent=parent)
    assert server.stop() == 0
    assert [span.name for span in spans] == [
        *["POST /v1/models/<name>:predict"] * 2,
        "GET /v1/models",
    ]
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in spans} == {(TRACE, SPAN)}
    known = [{item.key: item.value for item in span.attributes} for span in spans]
    assert known[0]["http.response.status_code"].int_value == 200
    assert known[0]["modelserver.model"].string_value == "faq"
    assert known[0]["inference_milliseconds"].double_value > 0
    assert known[1]["error.type"].string_value == "invalid_input"
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)
    assert "copy an array" not in str(spans)


def test_a_collector_that_is_away(faq_models: Path, serve: Callable[..., RunningServer]) -> None:
    """Without its collector the server answers as ever."""
    pytest.importorskip("opentelemetry", reason="no OpenTelemetry: the extra `tracing`")
    server = serve(faq_models, "--otlp-endpoint", "http://127.0.0.1:1")
    body = {"instances": ["copy an array"]}
    assert server.request("/v1/models/faq:predict", body).status == 200


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "grpc://collector", "http://", "http://a b"]
)
def test_wrong_addresses(endpoint: str) -> None:
    """What is no address of HTTP is refused at start."""
    with pytest.raises(SettingsError, match="otlp_endpoint: expected http"):
        choose_spans(endpoint)


def test_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the setting is refused, and the message says how to install it."""

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name="opentelemetry")

    monkeypatch.setattr("modelserver.tracing.import_module", missing)
    with pytest.raises(SettingsError, match=r"modelserver\[tracing\]"):
        choose_spans("http://collector:4318")
