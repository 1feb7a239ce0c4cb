"""Triton's official Python client, unmodified, against a real server: sync and asyncio."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from modelserver import __version__
from modelserver.datatypes import DTYPES
from tests.conftest import RunningServer
from tests.modelserver.conftest import MAX_INSTANCES
from tests.modelserver.image_samples import BEST, picture, save
from tests.modelserver.oip.tensors import echo_name, extremes

ROWS = np.array([[1, 2, 3], [0.5, 0.25, 0.125]], np.float32)


@pytest.fixture(scope="module")
def address(oip_server: RunningServer) -> str:
    """Host and port, as the client takes them."""
    return oip_server.url.removeprefix("http://")


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    """The client, on its default settings."""
    with triton.InferenceServerClient(address) as client:
        yield client


def given(name: str, datatype: str, array: np.ndarray, binary: bool = True) -> triton.InferInput:
    """An input of a request."""
    found = triton.InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def test_health(client: triton.InferenceServerClient) -> None:
    """The client finds server and models alive and ready, and others not."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("sum")
    assert client.is_model_ready("sum", "2")
    assert not client.is_model_ready("other")


def test_metadata(client: triton.InferenceServerClient) -> None:
    """The client reads what the server and its models are."""
    server = client.get_server_metadata()
    assert (server["name"], server["version"]) == ("modelserver", __version__)
    assert "binary_tensor_data" in server["extensions"]
    model = client.get_model_metadata("sum", "2")
    assert model["versions"] == ["2", "10"]
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]


def test_configuration_and_statistics(client: triton.InferenceServerClient) -> None:
    """The client reads configuration and statistics, of one model and of all."""
    assert client.get_model_config("sum")["max_batch_size"] == MAX_INSTANCES
    client.infer("sum", [given("x", "FP32", ROWS)])
    (counts,) = client.get_inference_statistics("sum", "10")["model_stats"]
    assert counts["inference_count"] >= 2
    names = {stats["name"] for stats in client.get_inference_statistics()["model_stats"]}
    assert {"sum", "pair", "faq"} <= names


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("binary_out", [True, False], ids=["binary out", "JSON out"])
@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "JSON in"])
def test_datatypes(
    client: triton.InferenceServerClient, datatype: str, binary_in: bool, binary_out: bool
) -> None:
    """Every datatype goes both ways in both forms; FP16 has a binary one only."""
    array = extremes(datatype)
    outputs = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    if datatype == "FP16" and not (binary_in and binary_out):
        with pytest.raises(InferenceServerException, match="FP16"):
            # The client itself refuses to write FP16 as JSON, the server to answer it so.
            client.infer(
                echo_name(datatype), [given("x", datatype, array, binary_in)], outputs=outputs
            )
        return
    if datatype == "BYTES" and not binary_out:
        array = np.array([["a", "zwölf"]], np.object_)
    entry = given("x", datatype, array, binary_in)
    found = client.infer(echo_name(datatype), [entry], outputs=outputs).as_numpy("y")
    if datatype == "BYTES":
        found = np.array(
            [e.decode() if isinstance(e, bytes) else e for e in found.flat], np.object_
        ).reshape(found.shape)
    np.testing.assert_array_equal(found, array)


def test_defaults(client: triton.InferenceServerClient) -> None:
    """Without any options: binary both ways, all outputs, the id echoed."""
    left = given("left", "FP32", np.array([[1, 2]], np.float32))
    right = given("right", "INT64", np.array([3]))
    found = client.infer("pair", [left, right], request_id="seven")
    assert found.get_response()["id"] == "seven"
    assert found.as_numpy("both").tolist() == [[1, 2]]
    assert found.as_numpy("twice").tolist() == [6]


def test_options(client: triton.InferenceServerClient) -> None:
    """Everything the client can add to a request is understood."""
    found = client.infer(
        "sum",
        [given("x", "FP32", ROWS)],
        model_version="2",
        outputs=[triton.InferRequestedOutput("y")],
        sequence_id=0,
        priority=1,
        timeout=60_000_000,
        headers={"X-Request-Id": "abc"},
        query_params={"mine": 1},
        parameters={"my-parameter": "x"},
    )
    assert found.get_response()["model_version"] == "2"
    assert found.as_numpy("y").tolist() == [[6], [0.875]]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(client: triton.InferenceServerClient, algorithm: str) -> None:
    """Compressed requests are read; an answer may come as it is, whatever the client accepts."""
    found = client.infer(
        "sum",
        [given("x", "FP32", ROWS)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert found.as_numpy("y").tolist() == [[6], [0.875]]


def test_many_at_once(address: str) -> None:
    """Requests in flight together each get their own answer."""
    with triton.InferenceServerClient(address, concurrency=8) as client:
        pending = [
            client.async_infer("echo-fp32", [given("x", "FP32", np.full((1, 2), n, np.float32))])
            for n in range(64)
        ]
        answers = [one.get_result().as_numpy("y")[0, 0] for one in pending]
    assert answers == list(range(64))


def test_classification(client: triton.InferenceServerClient) -> None:
    """The client's class_count gets the best classes with their labels."""
    outputs = [triton.InferRequestedOutput("y", class_count=2)]
    found = client.infer("scores", [given("x", "FP32", ROWS)], outputs=outputs).as_numpy("y")
    assert found.tolist() == [
        [b"3.0:2:high", b"2.0:1:middle"],
        [b"0.5:0:low", b"0.25:1:middle"],
    ]


def test_encoded_image(client: triton.InferenceServerClient) -> None:
    """The client sends a file as it is to an image model."""
    files = np.array([save(picture(), "JPEG", quality=90)], np.object_)
    found = client.infer("corners", [given("image", "BYTES", files)])
    assert found.as_numpy("probabilities").argmax() == BEST


@pytest.mark.parametrize(
    ("model", "entry", "message"),
    [
        ("other", given("x", "FP32", ROWS), "Request for unknown model 'other'"),
        ("sum", given("x", "FP64", ROWS.astype(float)), "input x: datatype: expected FP32"),
        ("sum", given("x", "FP32", ROWS[:, :2].copy()), r"expected \[-1, 3\], got \[2, 2\]"),
        ("sum", given("z", "FP32", ROWS), "unknown input 'z'; the model has x"),
    ],
    ids=["model", "datatype", "shape", "name"],
)
def test_errors(
    client: triton.InferenceServerClient, model: str, entry: triton.InferInput, message: str
) -> None:
    """What was wrong is what the client's exception says."""
    with pytest.raises(InferenceServerException, match=message):
        client.infer(model, [entry])


def test_errors_of_pages(client: triton.InferenceServerClient) -> None:
    """Metadata of a model that is not there is an exception with our words."""
    for ask in (client.get_model_metadata, client.get_model_config):
        with pytest.raises(InferenceServerException, match="Request for unknown model 'other'"):
            ask("other")


def test_asyncio_client(address: str) -> None:
    """The client for asyncio finds the same: health, metadata, counts, inference, errors."""

    async def talk() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("sum", "2")
            assert (await client.get_server_metadata())["name"] == "modelserver"
            assert (await client.get_model_metadata("sum"))["versions"] == ["2", "10"]
            assert (await client.get_model_config("sum"))["max_batch_size"] == MAX_INSTANCES
            assert (await client.get_inference_statistics("sum", "2"))["model_stats"]
            for binary in (True, False):
                entry = triton_aio.InferInput("x", [2, 3], "FP32")
                entry.set_data_from_numpy(ROWS, binary_data=binary)
                outputs = [triton_aio.InferRequestedOutput("y", binary_data=binary)]
                found = await client.infer("sum", [entry], outputs=outputs, request_id="7")
                assert found.get_response()["id"] == "7"
                assert found.as_numpy("y").tolist() == [[6], [0.875]]
            texts = triton_aio.InferInput("question", [1], "BYTES")
            texts.set_data_from_numpy(np.array(["a closure"], np.object_))
            found = await client.infer("faq", [texts])
            assert found.as_numpy("probabilities").argmax() == 1
            with pytest.raises(InferenceServerException, match="unknown model 'other'"):
                await client.infer("other", [texts])

    asyncio.run(talk())
