"""The body of an answer: JSON, followed by the bytes of binary outputs when there are any."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from modelserver.datatypes import BYTES
from modelserver.jsontext import encode_json
from modelserver.model import ServedModel
from modelserver.oip import wire
from modelserver.oip.classification import classify
from modelserver.oip.request import HEADER_LENGTH, InferRequest
from modelserver.replies import Reply


def write_response(
    model: ServedModel, request: InferRequest, outputs: Mapping[str, np.ndarray]
) -> Reply:
    """Write the outputs that a request asked for.

    Raises:
        InvalidInput: an output was asked for in JSON, which has no form for it.
    """
    entries: list[dict[str, Any]] = []
    chunks: list[bytes | memoryview] = []
    for choice in request.outputs:
        name, datatype, array = choice.spec.name, choice.spec.datatype, outputs[choice.spec.name]
        if choice.classes:
            labels = model.labels(name)
            array = classify(array, choice.classes, labels, model.signature.has_rows)
            datatype = BYTES
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": array.shape}
        if choice.binary:
            chunks.append(wire.to_binary(datatype, array))
            entry["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            entry["data"] = wire.to_json(f"output {name}", datatype, array)
        entries.append(entry)
    content: dict[str, Any] = {"model_name": model.name, "model_version": str(model.version)}
    if request.id is not None:
        content["id"] = request.id
    head = encode_json({**content, "outputs": entries})
    if not chunks:
        return Reply(200, head)
    return Reply(
        200,
        b"".join([head, *chunks]),
        headers={HEADER_LENGTH: str(len(head))},
        content_type="application/octet-stream",
    )
