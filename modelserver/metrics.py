"""Every metric of the server; the only module that knows prometheus_client."""

import functools
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Metric,
    disable_created_metrics,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from modelserver.batching import Batcher
from modelserver.families import Family
from modelserver.histogram import Histogram
from modelserver.model import ServedModel
from modelserver.statistics import Stages

CONTENT_TYPE = CONTENT_TYPE_LATEST

# From a tiny model on a quiet CPU to a large batch of a deep network.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_Kind = TypeVar("_Kind", bound=MetricWrapperBase)

_CACHED_SERIES = 4096

_NO_MODEL = "none"
_MODEL = ("model", "version")


LARGEST = frozenset(
    f"modelserver_{name}"
    for name in (
        "model_ready",
        "model_loaded_timestamp_seconds",
        "golden_error",
        "model_info",
        "saturation_ratio",  # a full worker refuses requests, however empty the others are
        "api_keys_stale",
    )
)
"""The gauges of which the largest of all workers counts; of the others the sum does."""


class Metrics:
    """Counts requests; label values come from the served models and our own codes only.

    Args:
        registry: where the metrics are kept; one for each server, so that tests can have several.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # "_created" series double the number of series and say nothing to us.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry or CollectorRegistry()
        self._of_models: list[MetricWrapperBase] = []
        self._histograms: list[Histogram] = []
        # Looking a series up by its labels costs more than counting in it.
        self._series = functools.lru_cache(_CACHED_SERIES)(_series)
        model = _MODEL
        asked = (*model, "client", "code")
        self._requests = self._counter("requests_total", "Requests answered", asked)
        self._duration = self._histogram("request_duration_seconds", "Whole request")
        self._decode = self._histogram("decode_duration_seconds", "Reading instances")
        self._queue_wait = self._histogram("queue_wait_duration_seconds", "Waiting for the model")
        self._inference = self._histogram("inference_duration_seconds", "One run of the model")
        self._batch_rows = self._histogram("batch_rows", "Rows of one run", _ROWS)
        self._queue_rows = self._gauge("queue_rows", "Rows that wait for the model", model)
        self._rejected = self._counter("rejected_total", "Requests without a score", ("reason",))
        self._inflight = self._gauge("inflight_requests", "Scoring requests being answered", ())
        self._saturation = self._gauge(
            "saturation_ratio", "How full the server is, 0 to 1; made for autoscaling", ()
        )
        self._keys_stale = self._gauge(
            "api_keys_stale", "1 while the key folder is wrong and the keys from before count", ()
        )
        self._ready = self._gauge("model_ready", "1 when the model answers requests", model)
        self._loaded_at = self._gauge(
            "model_loaded_timestamp_seconds", "When the model was loaded, in Unix time", model
        )
        self._load_failures = self._counter(
            "model_load_failures_total", "Models refused; the last good one serves on", ("model",)
        )
        self._golden = self._gauge(
            "golden_error", "Largest deviation from the golden response at load", model
        )
        self._info = self._gauge(
            "model_info", "Always 1; the labels say what is served", (*model, "sha256", "provider")
        )

    def keys_read(self, right: bool) -> None:
        """Record whether the folder of API keys could be used as it is."""
        self._keys_stale.set(not right)

    def watch(self, inflight: Callable[[], int], saturation: Callable[[], float]) -> None:
        """Ask at each scrape how many requests are in flight and how full the server is."""
        self._inflight.set_function(inflight)
        self._saturation.set_function(saturation)

    def model_loaded(self, model: ServedModel) -> None:
        """Record a model that passed its checks."""
        labels = (model.name, str(model.version))
        self._ready.labels(*labels).set(1)
        self._loaded_at.labels(*labels).set_to_current_time()
        self._golden.labels(*labels).set(model.golden_error)
        # The files that served before under this version had another hash.
        self._info.remove_by_labels(dict(zip(_MODEL, labels, strict=True)))
        digest = model.artefact.manifest.files["model.onnx"].sha256
        self._info.labels(*labels, digest, model.provider).set(1)
        # Weak, because a gauge with a function is part of a cycle: once removed, it would keep the
        # queue, and through that the session of an unloaded model, until Python looks for cycles.
        queue = weakref.ref(model.batcher)
        self._queue_rows.labels(*labels).set_function(lambda: _queue_rows(queue()))
        inference, batch_rows = self._inference.labels(*labels), self._batch_rows.labels(*labels)

        def ran(rows: int, seconds: float) -> None:
            inference.observe(seconds)
            batch_rows.observe(rows)

        model.batcher.watch = ran

    def model_load_failed(self, name: str) -> None:
        """Count a model, or with an empty name a whole folder, that could not be loaded."""
        self._load_failures.labels(name or _NO_MODEL).inc()

    def model_unloaded(self, name: str, version: int) -> None:
        """Remove every series of a version that serves no more and answers no request."""
        labels = dict(zip(_MODEL, (name, str(version)), strict=True))
        for metric in self._of_models:
            metric.remove_by_labels(labels)
        for histogram in self._histograms:
            histogram.remove(*labels.values())
        self._series.cache_clear()

    def scored(self, model: ServedModel, stages: Stages) -> None:
        """Record the stages of one scored request."""
        labels = (model.name, str(model.version))
        self._decode.labels(*labels).observe(stages.decode_seconds)
        self._queue_wait.labels(*labels).observe(stages.queue_seconds)

    def answered(
        self, model: ServedModel | None, client: str, status: int, code: str, seconds: float
    ) -> None:
        """Record one answer.

        Args:
            model: the model that was asked, or None when there was none.
            client: who asked; empty where no keys are wanted, or none came.
            status: the HTTP status.
            code: the stable error code, empty for an answer without error.
            seconds: from the first byte read by the application until the answer is made.
        """
        labels = (model.name, str(model.version)) if model else (_NO_MODEL, _NO_MODEL)
        self._series(self._requests, *labels, client, str(status)).inc()
        self._duration.labels(*labels).observe(seconds)
        if code:
            self._rejected.labels(code).inc()

    def families(self) -> list[Family]:
        """Every metric with its values now."""
        return _families(self._registry)

    def render(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return bytes(generate_latest(self._registry))

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return self._keep(Counter(f"modelserver_{name}", text, labels, registry=self._registry))

    def _gauge(self, name: str, text: str, labels: tuple[str, ...]) -> Gauge:
        return self._keep(Gauge(f"modelserver_{name}", text, labels, registry=self._registry))

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...] = _SECONDS) -> Histogram:
        """A histogram whose series belong to models."""
        histogram = Histogram(bounds)
        self._histograms.append(histogram)
        self._registry.register(_HistogramCollector(f"modelserver_{name}", text, histogram))
        return histogram

    def _keep(self, metric: _Kind) -> _Kind:
        """Remember a metric whose series belong to models."""
        if metric._labelnames[:2] == _MODEL:
            self._of_models.append(metric)
        return metric


def _series(metric: Any, *labels: str) -> Any:
    return metric.labels(*labels)


def _queue_rows(batcher: Batcher | None) -> int:
    return batcher.queue_rows if batcher else 0


class WorkerMetrics:
    """What the supervisor of several workers counts itself.

    Args:
        size: how many workers there should be.
        ready: how many are ready.
    """

    def __init__(self, size: int, ready: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        Gauge("modelserver_workers", "Processes that score", registry=registry).set(size)
        Gauge(
            "modelserver_workers_ready", "Those that answer requests", registry=registry
        ).set_function(ready)
        self._restarts = Counter(
            "modelserver_worker_restarts_total", "Workers started again", registry=registry
        )

    def restarted(self) -> None:
        """Count a worker that was started again."""
        self._restarts.inc()

    def families(self) -> list[Family]:
        """Every metric with its values now."""
        return _families(self._registry)


def render(families: Iterable[Family]) -> bytes:
    """Metrics of several processes in the Prometheus text format."""
    return bytes(generate_latest(_Collected(families)))


class _HistogramCollector(Collector):
    """Shows the registry a histogram of ours."""

    def __init__(self, name: str, text: str, histogram: Histogram) -> None:
        self._name, self._text, self._histogram = name, text, histogram
        self._bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=_MODEL)
        for labels, series in self._histogram:
            counts, total = series.read()
            buckets = zip(self._bounds, itertools.accumulate(counts), strict=True)
            family.add_metric(labels, list(buckets), total)
        yield family


class _Collected(Collector):
    """Stands for a registry whose metrics were collected elsewhere."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for (name, labels), value in family.values.items():
                metric.add_sample(name, dict(labels), value)
            yield metric


def _families(registry: CollectorRegistry) -> list[Family]:
    return [
        Family(
            metric.name,
            metric.type,
            metric.documentation,
            {(s.name, tuple(s.labels.items())): float(s.value) for s in metric.samples},
        )
        for metric in registry.collect()
    ]
