"""What the protocol says of the server and its models: health, metadata, configuration, counts."""

from collections.abc import Callable

import numpy as np
import pytest

from modelserver import __version__
from modelserver.repository import Repository
from tests.modelserver.conftest import MAX_INSTANCES, Site
from tests.modelserver.oip.tensors import binary_body, binary_tensor, tensor

ROWS = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata(oip: Site, path: str) -> None:
    """Name, version and the extensions that are really there, with or without a slash."""
    answer = oip.scoring.get(path)
    assert answer.status_code == 200
    assert answer.json == {
        "name": "modelserver",
        "version": __version__,
        "extensions": [
            "binary_tensor_data",
            "classification",
            "model_configuration",
            "statistics",
        ],
    }


def test_health(oip: Site) -> None:
    """The bodies are those that KServe's client reads."""
    assert oip.scoring.get("/v2/health/live").json == {"live": True}
    assert oip.scoring.get("/v2/health/ready").json == {"ready": True}
    for path in ("sum", "sum/versions/2"):
        answer = oip.scoring.get(f"/v2/models/{path}/ready")
        assert (answer.status_code, answer.json) == (200, {"name": "sum", "ready": True})


def test_health_before_and_after(
    make_site: Callable[..., Site], oip_repository: Repository
) -> None:
    """Alive always; ready, and each model too, only from loading to the beginning of the end."""
    site = make_site(None)
    states = []

    def look() -> None:
        assert site.scoring.get("/v2/health/live").status_code == 200
        answers = [site.scoring.get(f"/v2/{path}/ready") for path in ("health", "models/sum")]
        states.append([answer.status_code for answer in answers])

    look()
    site.scorer.open(oip_repository)
    look()
    site.scorer.start_draining()
    look()
    assert states == [[503, 503], [200, 200], [503, 503]]


def test_list_of_models(oip: Site) -> None:
    """GET /v2/models, as KServe has it, names every model once."""
    models = oip.scoring.get("/v2/models").json["models"]
    assert models.count("sum") == 1
    assert {"corners", "echo-fp16", "faq", "pair"} <= set(models)


def test_model_metadata(oip: Site) -> None:
    """Tensors with the protocol's datatypes and -1 for any size, and the versions as texts."""
    assert oip.scoring.get("/v2/models/pair").json == {
        "name": "pair",
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "left", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "right", "datatype": "INT64", "shape": [-1]},
        ],
        "outputs": [
            {"name": "both", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "twice", "datatype": "INT64", "shape": [-1]},
        ],
    }
    assert oip.scoring.get("/v2/models/sum/versions/2").json["versions"] == ["2", "10"]


def test_optional_inputs_are_listed(oip: Site) -> None:
    """An input that may be left out is in the metadata, and the configuration says which it is."""
    inputs = oip.scoring.get("/v2/models/scaled").json["inputs"]
    assert [spec["name"] for spec in inputs] == ["x", "factor"]
    inputs = oip.scoring.get("/v2/models/scaled/config").json["input"]
    assert [spec["optional"] for spec in inputs] == [False, True]


def test_configuration_of_rows(oip: Site) -> None:
    """Triton's dims leave out the axis of rows, whose limit is max_batch_size."""
    found = oip.scoring.get("/v2/models/scores/config").json
    assert (found["name"], found["platform"]) == ("scores", "onnxruntime_onnx")
    assert found["max_batch_size"] == MAX_INSTANCES
    assert found["input"] == [
        {
            "name": "x",
            "data_type": "TYPE_FP32",
            "dims": [3],
            "format": "FORMAT_NONE",
            "optional": False,
        }
    ]
    (output,) = found["output"]
    assert output == {
        "name": "y",
        "data_type": "TYPE_FP32",
        "dims": [3],
        "label_filename": "labels.json",
    }


def test_configuration_without_rows(oip: Site) -> None:
    """A model that does not count rows has max_batch_size 0 and whole shapes."""
    found = oip.scoring.get("/v2/models/fixed/config").json
    assert (found["max_batch_size"], found["input"][0]["dims"]) == (0, [2, 3])


def test_configuration_of_images_and_texts(oip: Site) -> None:
    """Image clients learn the layout; texts are TYPE_STRING."""
    image = oip.scoring.get("/v2/models/corners/versions/1/config").json["input"][0]
    assert (image["format"], image["data_type"]) == ("FORMAT_NHWC", "TYPE_UINT8")
    text = oip.scoring.get("/v2/models/faq/config").json["input"][0]
    assert (text["data_type"], text["dims"]) == ("TYPE_STRING", [-1])


def test_configuration_of_bare_rows(oip: Site) -> None:
    """Triton's dims are never empty: where an input has nothing but rows, no axis is left out."""
    found = oip.scoring.get("/v2/models/pair/config").json
    assert (found["max_batch_size"], [spec["dims"] for spec in found["input"]]) == (
        0,
        [[-1, -1], [-1]],
    )


def test_statistics_count(make_site: Callable[..., Site], oip_repository: Repository) -> None:
    """Requests, rows, batches and nanoseconds of each model are counted, failures apart."""
    site = make_site(oip_repository)

    def look() -> dict:
        (found,) = site.scoring.get("/v2/models/scores/versions/1/stats").json["model_stats"]
        return found

    before = look()
    body = {"inputs": [tensor("x", "FP32", ROWS)]}
    for _ in range(3):
        assert site.post("/v2/models/scores/infer", body).status_code == 200
    assert site.post("/v2/models/scores/infer", {"inputs": []}).status_code == 422
    after = look()
    assert after["inference_count"] - before["inference_count"] == 6
    assert after["execution_count"] - before["execution_count"] == 3
    grown = {
        name: after["inference_stats"][name]["count"] - before["inference_stats"][name]["count"]
        for name in ("success", "fail", "queue", "compute_infer", "cache_hit")
    }
    assert grown == {"success": 3, "fail": 1, "queue": 3, "compute_infer": 3, "cache_hit": 0}
    spent = after["inference_stats"]["compute_infer"]["ns"]
    assert spent > before["inference_stats"]["compute_infer"]["ns"]
    assert pairs(after) - pairs(before) == 3
    assert after["last_inference"] > 1_600_000_000_000


def pairs(stats: dict) -> int:
    """How many batches of two rows there were."""
    sizes = {batch["batch_size"]: batch["compute_infer"]["count"] for batch in stats["batch_stats"]}
    return sizes.get(2, 0)


def test_statistics_of_all_models(oip: Site) -> None:
    """Without a name, every version of every model is listed."""
    stats = oip.scoring.get("/v2/models/stats").json["model_stats"]
    versions = [found["version"] for found in stats if found["name"] == "sum"]
    assert sorted(versions) == ["10", "2"]
    both = oip.scoring.get("/v2/models/sum/versions/2/stats").json["model_stats"]
    assert [(found["name"], found["version"]) for found in both] == [("sum", "2")]


@pytest.mark.parametrize("page", ["", "/ready", "/config", "/stats"])
@pytest.mark.parametrize("model", ["other", "sum/versions/3", "sum/versions/x", "sum/versions/02"])
def test_unknown_models(oip: Site, model: str, page: str) -> None:
    """Every page of a model that is not served is 404 and names it."""
    answer = oip.scoring.get(f"/v2/models/{model}{page}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert list(answer.json) == ["error", "code", "request_id"]


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/models", "/v2/models/sum", "/v2/models/sum/config", "/v2/models/stats"]
)
def test_wrong_method(oip: Site, path: str) -> None:
    """A page that is posted to says what it takes."""
    answer = oip.post(path, {})
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/v2/none", "/v2/models/sum/none", "/v2/models/sum/versions/2/infer/x", "/v2/models//"]
)
def test_unknown_path(oip: Site, path: str) -> None:
    """A path that the protocol does not have is 404 in the one shape of errors."""
    answer = oip.scoring.get(path)
    assert (answer.status_code, list(answer.json)) == (404, ["error", "code", "request_id"])


def test_columns_of_maps_are_a_property(
    make_site: Callable[..., Site], zipmap_repository: Repository
) -> None:
    """Where a model answers maps, the metadata says what each column of the tensor stands for."""
    site = make_site(zipmap_repository)
    found = site.scoring.get("/v2/models/zipmap").json
    assert found["properties"] == {"columns of scores": '["no","perhaps","yes"]'}
    body = binary_body(
        binary_tensor("x", "FP32", ROWS),
        outputs=[{"name": "scores", "parameters": {"classification": 1}}],
    )
    answer = site.post("/v2/models/zipmap/infer", body.content, headers=dict(body.headers))
    assert answer.json["outputs"][0]["data"] == ["3.0:2:yes", "6.0:2:yes"]
