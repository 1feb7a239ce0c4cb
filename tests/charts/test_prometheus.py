"""The dashboard and the alert rules against a real Prometheus that scrapes a real server."""

import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.engines import Rendered
from tests.conftest import RunningServer
from tests.modelserver.samples import publish_all

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("prometheus") or not shutil.which("promtool"),
        reason="no Prometheus: install Debian's package prometheus",
    ),
]

MONITORED = {"metrics.monitor.enabled": True, "metrics.rules.enabled": True}
WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def rendered(render: Callable[..., Rendered]) -> Rendered:
    """The chart with everything that Prometheus and Grafana read."""
    return render({**MONITORED, "metrics.dashboard.enabled": True})


@pytest.fixture(scope="module")
def queries(rendered: Rendered) -> list[str]:
    """Every query of the dashboard."""
    (config,) = [o for o in rendered.objects if o["kind"] == "ConfigMap" and "dashboard" in str(o)]
    (text,) = config["data"].values()
    panels = json.loads(text)["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


@pytest.fixture(scope="module")
def rules(rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The alert rules as Prometheus' own file."""
    (rule,) = [o for o in rendered.objects if o["kind"] == "PrometheusRule"]
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    return path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server under a little load of good and bad requests."""
    server = RunningServer(publish_all(tmp_path_factory.mktemp("prometheus") / "models"))
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.02):
            server.request("/v1/models/faq:predict", {"instances": ["copy an array"]})
            server.request("/v1/models/faq:predict", {"instances": [7]})

    caller = threading.Thread(target=ask)
    caller.start()
    yield server
    stop.set()
    caller.join()
    server.close()


@pytest.fixture(scope="module")
def ask_prometheus(
    server: RunningServer,
    queries: list[str],
    rules: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Any]]:
    """A Prometheus that scrapes the server as the chart's PodMonitor would name it."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    job = re.search(r'job="([^"]+)"', queries[0])
    assert job
    target = server.management_url.removeprefix("http://")
    config = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": job[1],
                "static_configs": [{"targets": [target], "labels": {"pod": "faq-0"}}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [
            *("prometheus", f"--config.file={folder}/prometheus.yml"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
        ],
        stdout=log,
        stderr=log,
    )

    def ask(path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    yield ask
    process.kill()
    process.wait()
    log.close()


def until(found: Callable[[], Any]) -> Any:
    """Ask again until there is something."""
    tick = threading.Event()
    for _ in range(WAIT_SECONDS * 4):
        try:
            if result := found():
                return result
        except OSError:  # Prometheus is starting
            pass
        tick.wait(0.25)
    raise AssertionError(f"nothing within {WAIT_SECONDS} s")


def test_rules_are_right(rules: Path) -> None:
    """Prometheus' own tool accepts every rule."""
    done = subprocess.run(
        ["promtool", "check", "rules", str(rules)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def numbers(ask_prometheus: Callable[..., Any], query: str) -> list[Any]:
    """The series of a query; none while a share is of nothing, because no request has come yet."""
    series: list[Any] = ask_prometheus("query", query=query)["result"]
    unknown = any(s["value"][1] == "NaN" for s in series)
    return [] if unknown and "quantile" not in query else series


def test_every_panel_shows_something(
    ask_prometheus: Callable[..., Any], queries: list[str]
) -> None:
    """Under load every query of the dashboard has numbers, but that of errors of ours."""
    assert len(queries) > 10
    for query in queries:
        if 'code=~"5.."' in query:
            continue
        asked = query.replace("$__rate_interval", "5s")
        assert until(lambda asked=asked: numbers(ask_prometheus, asked)), query


def test_alerts_are_evaluated_and_quiet(ask_prometheus: Callable[..., Any]) -> None:
    """On a healthy server every alert is evaluated without an error, and none fires."""

    def evaluated() -> Any:
        groups = ask_prometheus("rules")["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if found and all(r["health"] == "ok" for r in found) else None

    found = until(evaluated)
    firing = [rule["name"] for rule in found if rule.get("state") == "firing"]
    assert firing == []
    assert len(found) >= 6


def test_a_missing_service_is_noticed(ask_prometheus: Callable[..., Any], rules: Path) -> None:
    """The expression of the alert for a missing service has a result when its job is not there."""
    groups = yaml.safe_load(rules.read_text())["groups"]
    expressions = {r["alert"]: r["expr"] for g in groups for r in g["rules"] if "alert" in r}
    elsewhere = re.sub(r'job="[^"]+"', 'job="nowhere"', expressions["ScoringAbsent"])
    assert until(lambda: ask_prometheus("query", query=elsewhere)["result"])
