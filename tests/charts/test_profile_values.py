"""The values file that `python -m modelserver profile` writes."""

import yaml

from modelserver.profiling.grid import Point
from modelserver.profiling.load import Measurement
from modelserver.profiling.values import helm_values
from tests.charts.engines import Helm4
from tests.charts.scenarios import MINIMAL


def test_the_chart_takes_them(helm4: Helm4) -> None:
    """A measurement becomes a deployment: settings, resources and autoscaling arrive in the pod."""
    settings = {"http_server": "asyncio", "model_threads": 2, "max_batch_rows": 32}
    load = Measurement(16, 812.0, 0.01, 0.02, 0)
    knee = Point(settings, load, cores=1.32, peak_bytes=200 * 2**20, start_seconds=9.0)
    values = yaml.safe_load(helm_values(knee, 0.05, "sum version 1"))
    values["autoscaling"]["enabled"] = True
    rendered = helm4.render(merged(MINIMAL, values))
    (container,) = rendered.pod["containers"]
    env = {item["name"]: item.get("value") for item in container["env"]}
    assert env["MODELSERVER_HTTP_SERVER"] == "asyncio"
    assert env["MODELSERVER_MAX_BATCH_ROWS"] == "32"
    assert env["MODELSERVER_MAX_INFLIGHT_REQUESTS"] == "64"
    assert container["resources"]["requests"] == {"cpu": "1.4", "memory": "320Mi"}
    targets = [
        metric["type"] for metric in rendered.one("HorizontalPodAutoscaler")["spec"]["metrics"]
    ]
    assert len(targets) == 2


def merged(base: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    """Lay one values file over another, as Helm does."""
    result = dict(base)
    for name, value in over.items():
        below = result.get(name)
        both = isinstance(value, dict) and isinstance(below, dict)
        result[name] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result
