"""ONNX models that others made, wrapped by `python -m converters onnx` and asked over REST."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.__main__ import main
from modelserver.datatypes import DTYPES
from tests.conftest import SHARED_DATA, RunningServer
from tests.modelserver.oip.tensors import binary_body, binary_tensor, read_answer, tensor

FOLDER = SHARED_DATA / "onnx" / "third_party"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/case.json"))

# Numbers that are made up do not fit these, which the command says: one looks at its 20th column,
# the other turns texts to numbers.
NEED_A_SAMPLE = ("sklearn_treecl_unknown_width", "triton_simple_string")

DATATYPES = {
    "bool": "BOOL",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
    **{
        f"{sign}int{bits}": f"{sign}int{bits}".upper() for sign in ("", "u") for bits in (8, 32, 64)
    },
}


def read_case(name: str) -> dict[str, Any]:
    """Inputs and expected outputs of a model."""
    content: dict[str, Any] = json.loads((FOLDER / name / "case.json").read_text())
    return content


def read_tensor(entry: dict[str, Any]) -> tuple[str, np.ndarray]:
    """Datatype and array of an input or output."""
    datatype = DATATYPES[entry["dtype"]]
    return datatype, np.array(entry["data"], DTYPES[datatype]).reshape(entry["shape"])


def expected(entry: Any) -> np.ndarray:
    """An output as a tensor; of maps, the numbers in ascending order of their keys."""
    if isinstance(entry, dict):
        return read_tensor(entry)[1]
    return np.array([[row[key] for key in sorted(row, key=int)] for row in entry])


def write_sample(name: str, path: Path) -> Path:
    """The case's inputs, a row a line, as a user would give them."""
    inputs = {key: read_tensor(entry)[1] for key, entry in read_case(name)["inputs"].items()}
    rows = [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]
    lines = [json.dumps({key: array.tolist() for key, array in row.items()}) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with all of them, each wrapped by the command."""
    folder = tmp_path_factory.mktemp("third-party")
    for name in NAMES:
        command = ["onnx", str(FOLDER / name / "model.onnx"), "--name", served_name(name)]
        command += ["--output", str(folder / "models")]
        if name in NEED_A_SAMPLE:
            command += ["--sample", str(write_sample(name, folder / f"{name}.jsonl"))]
        assert main(command) == 0, name
    server = RunningServer(folder / "models")
    yield server
    server.close()


def served_name(name: str) -> str:
    """Names of models have no underscores here, to show that --name is free."""
    return name.replace("_", "-")


@pytest.mark.skipif(not NAMES, reason=f"no real data: {FOLDER} does not exist")
@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "binary"])
@pytest.mark.parametrize("name", NAMES)
def test_case(served: RunningServer, name: str, binary: bool) -> None:
    """The model answers its recorded case over REST."""
    case = read_case(name)
    inputs = [(key, *read_tensor(entry)) for key, entry in case["inputs"].items()]
    path = f"/v2/models/{served_name(name)}/infer"
    if binary:
        body = binary_body(
            *(binary_tensor(*entry) for entry in inputs), parameters={"binary_data_output": True}
        )
        headers = {header.replace("-", "_"): value for header, value in body.headers.items()}
        answer = served.request(path, body.content, **headers)
    else:
        answer = served.request(path, {"inputs": [tensor(*entry) for entry in inputs]})
    assert answer.status == 200, answer.body
    outputs = read_answer(answer.body, answer.headers.get)
    assert outputs.keys() == case["outputs"].keys()
    for key, entry in case["outputs"].items():
        want = expected(entry)
        if want.dtype.kind == "f":
            np.testing.assert_allclose(outputs[key], want, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(outputs[key], want)


@pytest.mark.skipif(not NAMES, reason=f"no real data: {FOLDER} does not exist")
@pytest.mark.parametrize("name", NEED_A_SAMPLE)
def test_refusal_says_the_way_out(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A model that made-up numbers do not fit is refused with the flag that helps."""
    command = ["onnx", str(FOLDER / name / "model.onnx"), "--name", "x"]
    assert main([*command, "--output", str(tmp_path)]) != 0
    assert "give typical values with --sample" in capfd.readouterr().err
    assert not any(tmp_path.iterdir())
