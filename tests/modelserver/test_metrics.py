"""Metrics: stable names, base units, and labels that no caller can multiply."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelserver.metrics import CONTENT_TYPE, LARGEST, Metrics, WorkerMetrics, render
from modelserver.repository import Repository
from modelserver.statistics import Stages
from tests.conftest import ROOT
from tests.modelserver.conftest import Site

NAMES = {
    "modelserver_requests": {"model", "version", "client", "code"},
    "modelserver_request_duration_seconds": {"model", "version"},
    "modelserver_decode_duration_seconds": {"model", "version"},
    "modelserver_queue_wait_duration_seconds": {"model", "version"},
    "modelserver_inference_duration_seconds": {"model", "version"},
    "modelserver_batch_rows": {"model", "version"},
    "modelserver_queue_rows": {"model", "version"},
    "modelserver_saturation_ratio": set(),
    "modelserver_rejected": {"reason"},
    "modelserver_api_keys_stale": set(),
    "modelserver_inflight_requests": set(),
    "modelserver_model_ready": {"model", "version"},
    "modelserver_model_loaded_timestamp_seconds": {"model", "version"},
    "modelserver_model_load_failures": {"model"},
    "modelserver_golden_error": {"model", "version"},
    "modelserver_model_info": {"model", "version", "sha256", "provider"},
}


def series(text: str) -> set[str]:
    """Every series of a scrape, without its value."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


@pytest.fixture
def metrics(repository: Repository) -> Metrics:
    metrics = Metrics()
    for model in repository:
        metrics.model_loaded(model)
        metrics.scored(model, Stages(1, 0.001, 0.002, 0.003, 0.004))
        metrics.answered(model, "shop", 200, "", 0.003)
    metrics.answered(None, "", 404, "not_found", 0.001)
    metrics.model_load_failed("sum")
    return metrics


def test_names_and_labels(metrics: Metrics) -> None:
    """Dashboards rest on these names and labels."""
    families = list(text_string_to_metric_families(metrics.render().decode()))
    assert {family.name for family in families} == NAMES.keys()
    for family in families:
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == NAMES[family.name], family.name
        assert family.documentation


def test_documented(metrics: Metrics) -> None:
    """The operations page lists every metric."""
    page = (ROOT / "docs" / "operations.md").read_text()
    listed = set(re.findall(r"`(modelserver_\w+)`", page))
    ours = {name for name in listed if not name.startswith("modelserver_worker")}
    assert {name.removesuffix("_total") for name in ours} == NAMES.keys()


def test_values(metrics: Metrics) -> None:
    """Requests count by status, rejections by code, and a model says what it is."""
    text = metrics.render().decode()
    assert (
        'modelserver_requests_total{client="shop",code="200",model="sum",version="10"} 1.0' in text
    )
    assert (
        'modelserver_requests_total{client="",code="404",model="none",version="none"} 1.0' in text
    )
    assert 'modelserver_rejected_total{reason="not_found"} 1.0' in text
    assert 'modelserver_model_ready{model="faq",version="1"} 1.0' in text
    assert re.search(
        r'modelserver_model_info\{model="faq",provider="CPUExecutionProvider",'
        r'sha256="[0-9a-f]{64}",version="1"\} 1\.0',
        text,
    )


def test_unloaded_version_leaves_no_series(metrics: Metrics) -> None:
    """All series of a version go with it; those of other versions stay."""
    metrics.model_unloaded("sum", 2)
    left = series(metrics.render().decode())
    assert not [name for name in left if 'model="sum"' in name and 'version="2"' in name]
    assert len([name for name in left if 'model="sum"' in name and 'version="10"' in name]) > 40


def test_gauges_of_several_workers(metrics: Metrics) -> None:
    """For every gauge it is decided whether those of several workers are summed."""
    gauges = {family.name for family in metrics.families() if family.kind == "gauge"}
    summed = {"modelserver_inflight_requests", "modelserver_queue_rows"}
    assert gauges == LARGEST | summed


def test_one_of_several_workers(metrics: Metrics) -> None:
    """What one worker reports reads as if there were no others."""
    assert render(metrics.families()) == metrics.render()


def test_metrics_of_the_supervisor() -> None:
    """Several workers are counted by their supervisor, and the operations page lists that."""
    counts = WorkerMetrics(3, lambda: 2)
    counts.restarted()
    text = render(counts.families()).decode()
    page = (ROOT / "docs" / "operations.md").read_text()
    for line in (
        "modelserver_workers 3.0",
        "modelserver_workers_ready 2.0",
        "modelserver_worker_restarts_total 1.0",
    ):
        assert line in text
        assert f"`{line.split()[0]}`" in page


def test_content_type() -> None:
    """The scrape says which version of the text format it is."""
    assert CONTENT_TYPE.startswith("text/plain; version=")


def test_servers_do_not_share(metrics: Metrics) -> None:
    """Two servers in one process have metrics of their own."""
    assert 'code="404"' not in Metrics().render().decode()


def test_callers_cannot_make_series(site: Site) -> None:
    """A thousand invented paths, models, methods and headers add no series."""

    def knock(number: int) -> None:
        odd = f"x{number}é%0a"
        site.scoring.get(f"/{odd}/{number}")
        site.scoring.open(f"/v1/models/{odd}:predict", method="POST", data=odd)
        site.scoring.open(
            f"/v1/models/sum/versions/{number + 100}:predict", method="POST", data=odd
        )
        site.scoring.open("/v1/models/sum:predict", method=f"METHOD{number}")
        site.scoring.open(f"/v1/models/{odd}", headers={"X-Request-Id": odd, "User-Agent": odd})

    knock(0)
    before = series(site.metrics.render().decode())
    for number in range(1, 201):
        knock(number)
    assert series(site.metrics.render().decode()) == before
