"""Chart and server cannot drift apart: settings, ports, paths, metrics, commands."""

import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charts.schema_definitions import CHART_OWNS, DEFINITIONS, camel_case
from modelserver.__main__ import main
from modelserver.artefact import Artefact
from modelserver.settings import Settings, environment_name
from tests.charts.engines import Helm4, Object, Rendered
from tests.charts.scenarios import SCENARIOS, read
from tests.conftest import ROOT, RunningServer, publish_linear

OWNED_EXAMPLES: dict[str, dict[str, Any]] = {
    "api_keys_dir": {},
    "device": {"gpu.enabled": True},
    "management_port": {},
    "models": {"model.path": "/srv/models"},
    "port": {},
}
"""How the settings that the chart owns are reached instead."""


def variables(env: dict[str, Any]) -> dict[str, str]:
    """The variables of the server whose text is known before the pod runs."""
    return {
        name: value
        for name, value in env.items()
        if name.startswith("MODELSERVER_") and isinstance(value, str)
    }


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_environment(helm4: Helm4, scenario: str) -> None:
    """The server takes every variable that the chart sets, by name and by value."""
    env = helm4.render(read(SCENARIOS[scenario])).env
    settings = Settings.from_mappings({}, variables(env))
    known = {environment_name(row.name) for row in dataclasses.fields(Settings)}
    assert {name for name in env if name.startswith("MODELSERVER_")} <= known
    assert (settings.port, settings.management_port) == (8080, 9090)


def _example(row: "dataclasses.Field[Any]") -> Any:
    """A value of a setting that is not its default and within its bounds."""
    if row.metadata["choices"]:
        return next(choice for choice in row.metadata["choices"] if choice != row.default)
    if row.type is bool:
        return not row.default
    if row.type is str:
        return "other"
    most = row.metadata["most"]
    return row.metadata["least"] if row.default == most else most


ROWS = [row for row in dataclasses.fields(Settings) if row.name not in CHART_OWNS]


@pytest.mark.parametrize("spelling", [str, camel_case])
def test_every_setting(render: Callable[..., Rendered], spelling: Callable[[str], str]) -> None:
    """Each setting can be set by both spellings, the largest numbers too, and arrives as it was."""
    values = {row.name: _example(row) for row in ROWS}
    env = render({"server": {spelling(name): value for name, value in values.items()}}).env
    texts = variables(env)
    for row in ROWS:
        alone = {environment_name(row.name): texts[environment_name(row.name)]}
        keys = {environment_name("api_keys_dir"): "/keys"} if "client" in row.name else {}
        settings = Settings.from_mappings({}, {**alone, **keys})
        assert getattr(settings, row.name) == values[row.name], row.name


@pytest.mark.parametrize("name", CHART_OWNS)
def test_owned_settings(render: Callable[..., Rendered], name: str) -> None:
    """What cannot be set in `server` is a setting, and follows from another value."""
    assert name in {row.name for row in dataclasses.fields(Settings)}
    assert environment_name(name) in render(OWNED_EXAMPLES[name]).env


def test_defaults_of_the_drain(render: Callable[..., Rendered]) -> None:
    """The chart leaves load balancers no less time to look away than the server does."""
    settings = Settings.from_mappings({}, variables(render().env))
    assert settings.drain_delay_seconds >= Settings().drain_delay_seconds
    assert settings.drain_timeout_seconds >= Settings().drain_timeout_seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server that has answered one request, and refused one."""
    models = tmp_path_factory.mktemp("chart") / "models"
    publish_linear(models)
    running = RunningServer(models)
    assert running.request("/v1/models/sum:predict", {"instances": [[1, 2, 3]]}).status == 200
    assert running.request("/v1/models/none:predict", {"instances": []}).status == 404
    # Requests are recorded after their answers were sent, but before the next one is read.
    assert running.request("/v1/models").status == 200
    yield running
    running.close()


@pytest.fixture(scope="module")
def series(server: RunningServer) -> dict[str, dict[str, set[str]]]:
    """Every series on /metrics: its name, and the values of each of its labels."""
    text = server.request("/metrics", management=True).body.decode()
    found: dict[str, dict[str, set[str]]] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):  # also of what has not happened yet
            found.setdefault(line.split()[2], {})
        elif not line.startswith("#"):
            name, labels = re.match(r"([a-z_:]+)(?:\{(.*)\})? ", line).groups()  # type: ignore[union-attr]
            known = found.setdefault(name, {})
            for label, value in re.findall(r'(\w+)="([^"]*)"', labels or ""):
                known.setdefault(label, set()).add(value)
    return found


def test_probes(server: RunningServer, render: Callable[..., Rendered]) -> None:
    """The paths of the probes and of the PodMonitor answer on the management port."""
    rendered = render({"metrics.monitor.enabled": True})
    kinds = ("startupProbe", "readinessProbe", "livenessProbe")
    paths = {rendered.server[kind]["httpGet"]["path"] for kind in kinds}
    (endpoint,) = rendered.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert paths == {"/livez", "/readyz"}
    for path in (*paths, endpoint["path"]):
        assert server.request(path, management=True).status == 200
        assert server.request(path).status == 404


def queries(rendered: Rendered) -> Iterator[str]:
    """Every PromQL text of a release: alerts, dashboard, KEDA."""
    for rule in rendered.all("PrometheusRule"):
        for group in rule["spec"]["groups"]:
            yield from (alert["expr"] for alert in group["rules"])
    for item in rendered.all("ConfigMap"):
        for text in item["data"].values():
            found = re.findall(r'"expr": "((?:[^"\\]|\\.)*)"', text)
            yield from (
                expr.replace('\\"', '"').replace("$__rate_interval", "5m") for expr in found
            )
    for scaler in rendered.all("ScaledObject"):
        triggers = scaler["spec"]["triggers"]
        yield from (row["metadata"]["query"] for row in triggers if row["type"] == "prometheus")


SCRAPED = {"job", "pod", "namespace"}
"""Labels that Prometheus adds to what it reads."""


@pytest.mark.parametrize(("scenario", "least"), [("monitoring", 25), ("keda", 2)])
def test_queries(
    helm4: Helm4,
    series: dict[str, dict[str, set[str]]],
    scenario: str,
    least: int,
) -> None:
    """Each query is PromQL, reads series that the server has, by labels that they have."""
    texts = list(queries(helm4.render(read(SCENARIOS[scenario]))))
    assert len(texts) >= least
    for text in texts:
        answer = helm4.ask("selectors", query=text)
        assert answer.get("selectors"), (text, answer)
        for name, matchers in answer["selectors"]:
            assert name in series, f"{name} is not on /metrics: {text}"
            labels = {label for label, *_ in matchers}
            assert labels <= series[name].keys() | SCRAPED, text
            assert "job" in labels, f"other releases would count too: {text}"


def test_a_model_that_is_not_ready_has_no_series(
    serve: Callable[..., RunningServer], tmp_path: Path
) -> None:
    """The alert ScoringModelNotReady looks for pods that are read but have no such series."""
    text = serve(tmp_path, "--allow-no-models", "true").request("/metrics", management=True).body
    assert re.search(rb"^modelserver_inflight_requests 0", text, re.MULTILINE)
    assert not re.search(rb"^modelserver_model_ready\{", text, re.MULTILINE)


def test_autoscaler_metrics(helm4: Helm4, series: dict[str, Any]) -> None:
    """The HPA asks for metrics that the server has, one series for each pod."""
    hpa = helm4.render(read(SCENARIOS["monitoring"])).one("HorizontalPodAutoscaler")
    names = [
        row["pods"]["metric"]["name"] for row in hpa["spec"]["metrics"] if row["type"] == "Pods"
    ]
    assert len(names) == 2
    for name in names:
        assert series[name] == {}


def test_latency_goals(series: dict[str, dict[str, set[str]]]) -> None:
    """Each latency that the chart takes as a goal is a bound of the server's histogram."""
    bounds = series["modelserver_request_duration_seconds_bucket"]["le"] - {"+Inf"}
    assert set(map(float, bounds)) == set(DEFINITIONS["latency"]["enum"])


@pytest.mark.parametrize("goal", [0.0005, 0.25, 1, 2.5, 10])
def test_latency_alert(
    render: Callable[..., Rendered], series: dict[str, dict[str, set[str]]], goal: float
) -> None:
    """The alert counts the requests within the goal: its matcher fits one bucket."""
    on = {"metrics.monitor.enabled": True, "metrics.rules.enabled": True}
    rendered = render({**on, "metrics.rules.latencySeconds": goal})
    texts = [text for text in queries(rendered) if "_bucket" in text]
    assert texts
    bounds = series["modelserver_request_duration_seconds_bucket"]["le"]
    for text in texts:
        for pattern in re.findall(r'le=~"([^"]*)"', text):
            fitting = [le for le in bounds if re.fullmatch(pattern, le)]
            assert [float(le) for le in fitting] == [goal]


def test_model_name(render: Callable[..., Rendered], linear_artefact: Path) -> None:
    """The chart takes names that an artefact can have."""
    name = Artefact.open(linear_artefact).manifest.name
    assert f"/v1/models/{name}:predict" in render({"model.name": name}).notes


def _commands(rendered: Rendered) -> Iterator[list[str]]:
    specs: list[Object] = [rendered.pod, *(pod["spec"] for pod in rendered.all("Pod"))]
    for spec in specs:
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            if "command" in container:
                yield [*container["command"], *container.get("args", ())]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_commands(helm4: Helm4, scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of the chart's containers exist, and take the arguments that they get."""
    for command in _commands(helm4.render(read(SCENARIOS[scenario]))):
        assert command[:3] == ["python", "-m", "modelserver"]
        with pytest.raises(SystemExit) as ending:
            main([*command[3:], "--help"])
        assert ending.value.code == 0
        usage = capsys.readouterr().out
        flags = {word.partition("=")[0] for word in command[4:]}
        assert flags <= set(re.findall(r"--[a-z0-9-]+", usage)), flags


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _mounted(secret: Object, folder: Path) -> Path:
    """A Secret as kubelet mounts it: entries are links through `..data`, swapped as a whole."""
    version = folder / "..2026_11_26"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, text in secret["data"].items():
        (version / name).write_bytes(base64.b64decode(text))
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_keys_and_helm_test(
    render: Callable[..., Rendered],
    linear_artefact: Path,
    serve: Callable[..., RunningServer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The chart's Secret lets its clients in, and nobody else; the pod of `helm test` proves it."""
    keys = {"old": ["first", "second"], "new": ["third"]}
    digests = {name: list(map(_digest, keys[name])) for name in keys}
    values = {"model.name": "sum", "auth.keys": digests}
    folder = _mounted(render(values).one("Secret"), tmp_path / "keys")
    models = linear_artefact.parent.parent
    server = serve(models, "--api-keys-dir", str(folder))

    def helm_test(changes: dict[str, Any]) -> int:
        pod = render({**values, **changes}).one("Pod")["spec"]["containers"][0]
        replaced = {"--models=/models": f"--models={models}"}
        arguments = [replaced.get(word, word) for word in pod["args"] if "--url" not in word]
        return main([*pod["command"][3:], *arguments, f"--url={server.url}", "--wait-seconds=0"])

    assert helm_test({}) == 0
    assert helm_test({"test.keySecret.name": "key"}) == 1
    for key in ("first", "second", "third"):
        monkeypatch.setenv("API_KEY", key)
        assert helm_test({"test.keySecret.name": "key"}) == 0


def test_runbooks(render: Callable[..., Rendered]) -> None:
    """Each alert links to its own section of docs/operations.md, and no section is left over."""
    on = {"metrics.monitor.enabled": True, "metrics.rules.enabled": True}
    (group,) = render(on).one("PrometheusRule")["spec"]["groups"]
    links = {row["alert"]: row["annotations"]["runbook_url"] for row in group["rules"]}
    assert links == {name: f"docs/operations.md#{name.lower()}" for name in links}
    text = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"^### (Scoring\w+)$", text, re.MULTILINE)) == links.keys()
