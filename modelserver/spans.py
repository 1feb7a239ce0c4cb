"""A span for each request, sent to an OpenTelemetry collector; the only module that knows it."""

import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from modelserver import __version__

_SERVER_FAULT = 500


class Spans:
    """Sends spans in the background, so that no request waits for a collector.

    Args:
        endpoint: the collector's address for OTLP over HTTP, such as http://collector:4318.
    """

    def __init__(self, endpoint: str) -> None:
        resource = Resource.create({"service.name": "modelserver", "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("modelserver")
        self._propagator = TraceContextTextMapPropagator()

    def record(
        self,
        name: str,
        parent: str,
        seconds: float,
        status: int,
        attributes: dict[str, str | int | float],
    ) -> None:
        """Record a request that has just been answered.

        Args:
            name: method and route.
            parent: its header `traceparent`; empty begins a trace.
            seconds: how long it took.
            status: of HTTP.
            attributes: what else is known of it.
        """
        ended = time.time_ns()
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            name,
            context,
            SpanKind.SERVER,
            attributes={**attributes, "http.response.status_code": status},
            start_time=ended - int(seconds * 1e9),
        )
        if status >= _SERVER_FAULT:
            span.set_status(StatusCode.ERROR)
        span.end(ended)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
