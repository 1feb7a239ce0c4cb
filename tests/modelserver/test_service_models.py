"""Models come and go in a real server process."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conftest import RunningServer
from tests.modelserver.samples import publish_times

Serve = Callable[..., RunningServer]


def test_models_come_and_go(serve: Serve, tmp_path: Path) -> None:
    """Orders on the management port change what the scoring port answers."""
    publish_times(tmp_path, 1)
    server = serve(tmp_path, "--repository-poll-seconds", "0")
    path = "/v1/models/times:predict"
    publish_times(tmp_path, 2)
    assert server.request(path, {"instances": [3]}).json["model_version"] == "1"
    loaded = server.request("/v2/repository/models/times/load", b"", management=True)
    assert (loaded.status, loaded.json) == (200, {})
    assert server.request(path, {"instances": [3]}).json == {
        "model_name": "times",
        "model_version": "2",
        "predictions": [6.0],
    }
    old = server.request("/v1/models/times/versions/1:predict", {"instances": [3]})
    assert old.json["predictions"] == [3.0]
    server.request("/v2/repository/models/times/unload", b"", management=True)
    assert server.wait_for("model_unloaded")["model"] == "times"
    assert server.request(path, {"instances": [3]}).status == 404
    assert server.request("/readyz", management=True).status == 503
    assert server.request("/v2/health/ready").status == 503


def test_official_client(serve: Serve, tmp_path: Path) -> None:
    """tritonclient controls the repository as it does Triton's, but cannot bring files in."""
    publish_times(tmp_path, 1)
    server = serve(tmp_path)
    with triton.InferenceServerClient(server.management_url.removeprefix("http://")) as client:
        ready = {"name": "times", "version": "1", "state": "READY", "reason": ""}
        assert client.get_model_repository_index() == [ready]
        client.unload_model("times")
        gone = {**ready, "state": "UNAVAILABLE", "reason": "unloaded"}
        assert client.get_model_repository_index() == [gone]
        for more in ({"config": "{}"}, {"config": "{}", "files": {"file:1/model.onnx": b"x"}}):
            with pytest.raises(InferenceServerException, match="load takes none, got '"):
                client.load_model("times", **more)
        assert client.get_model_repository_index() == [gone]
        client.load_model("times")
        assert client.get_model_repository_index() == [ready]
        with pytest.raises(InferenceServerException, match="no model 'other' in the folder"):
            client.load_model("other")


def test_folder_is_polled(serve: Serve, tmp_path: Path) -> None:
    """A server that nobody gives orders finds new versions by itself."""
    publish_times(tmp_path, 1)
    server = serve(tmp_path, "--repository-poll-seconds", "0.05")
    publish_times(tmp_path, 2)
    assert server.wait_for("model_loaded")["version"] == "2"


def test_no_models(serve: Serve, tmp_path: Path) -> None:
    """With --allow-no-models an empty folder is served, ready, and filled later."""
    server = serve(tmp_path, "--allow-no-models", "true", "--repository-poll-seconds", "0.05")
    assert server.request("/readyz", management=True).status == 200
    assert server.request("/v1/models/times:predict", {"instances": [3]}).status == 404
    publish_times(tmp_path, 1)
    server.wait_for("model_loaded")
    while server.request("/v1/models/times:predict", {"instances": [3]}).status == 404:
        pass  # the line is written before the model serves
