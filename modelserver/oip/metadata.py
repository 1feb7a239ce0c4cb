"""What the server says of itself and of its models, in the protocol's words."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelserver import __version__
from modelserver.datatypes import BYTES
from modelserver.jsontext import encode_json
from modelserver.manifest import TensorSpec
from modelserver.model import ServedModel

EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "statistics")
"""The protocol's extensions that are there; a client relies on each of them."""

PLATFORM = "onnxruntime_onnx"
"""The name that clients know for ONNX Runtime."""


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return {"name": "modelserver", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(model: ServedModel, versions: Iterable[int]) -> dict[str, Any]:
    """The tensors of one version of a model.

    Args:
        model: that version.
        versions: all versions of the model that are served.
    """
    signature = model.signature
    content: dict[str, Any] = {
        "name": model.name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORM,
        "inputs": [_tensor(spec) for spec in signature.inputs.values()],
        "outputs": [_tensor(spec) for spec in signature.outputs.values()],
    }
    properties = _properties(model)
    return {**content, "properties": properties} if properties else content


def model_configuration(model: ServedModel, max_rows: int) -> dict[str, Any]:
    """The model as Triton's configuration describes it; perf_analyzer and image clients read it.

    Args:
        model: the model.
        max_rows: most rows of a request.
    """
    signature = model.signature
    # The axis of rows is not part of `dims`, which must not become empty for an input.
    batched = signature.has_rows and all(len(spec.shape) > 1 for spec in signature.inputs.values())
    skipped = int(batched)
    artefact = model.artefact
    labels = {"label_filename": "labels.json"} if "labels.json" in artefact.manifest.files else {}
    return {
        "name": model.name,
        "platform": PLATFORM,
        "backend": "onnxruntime",
        "version_policy": {"all": {}},
        "max_batch_size": max_rows if batched else 0,
        "input": [
            {
                **_configured(spec, skipped),
                "format": "FORMAT_NHWC" if name == model.task.encoded_input else "FORMAT_NONE",
                "optional": name in signature.optional,
            }
            for name, spec in signature.inputs.items()
        ],
        "output": [{**_configured(spec, skipped), **labels} for spec in signature.outputs.values()],
        "default_model_filename": artefact.model_path.name,
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def _configured(spec: TensorSpec, skipped: int) -> dict[str, Any]:
    datatype = "STRING" if spec.datatype == BYTES else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": spec.shape[skipped:]}


def _properties(model: ServedModel) -> Mapping[str, str]:
    """Texts beyond the protocol's fields: the columns of outputs that the model answers as maps."""
    return {
        f"columns of {name}": encode_json(keys).decode() for name, keys in model.columns.items()
    }
