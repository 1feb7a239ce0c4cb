"""The body of an inference request.

    {"id"?: text, "parameters"?: {}, "inputs": [{"name", "shape", "datatype", "data"}, ...],
     "outputs"?: [{"name", "parameters"?}, ...]}

With the header Inference-Header-Content-Length the JSON is only that long; the bytes of inputs
with `parameters.binary_data_size` instead of `data` follow it, in the order of the inputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserver.errors import InvalidInput, Undecodable
from modelserver.jsontext import decode_json, quote, show
from modelserver.model import ServedModel
from modelserver.oip.inputs import read_inputs
from modelserver.oip.outputs import Choice, all_outputs, read_outputs
from modelserver.oip.parameters import read_flag, read_number, read_parameters
from modelserver.oip.raw import read_raw

HEADER_LENGTH = "Inference-Header-Content-Length"

_FIELDS = {"id", "parameters", "inputs", "outputs"}
_REPEATED = {"model_name", "model_version"}  # by KServe's client; the path decides
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What a request asks for.

    Args:
        feeds: an array for each input of the model.
        outputs: what the answer holds, in order.
        id: to be echoed.
        timeout_microseconds: how long the client will wait; 0 when it does not say.
    """

    feeds: Mapping[str, np.ndarray]
    outputs: Sequence[Choice]
    id: str | None = None
    timeout_microseconds: int = 0


def read_request(
    model: ServedModel, body: bytes, header_length: str | None, max_rows: int
) -> InferRequest:
    """Read a request and check it against the model's signature.

    Args:
        model: the model that was asked.
        body: the whole body, inflated.
        header_length: the header above, as it came.
        max_rows: most rows of a request.

    Raises:
        RequestError: the body cannot be decoded, or does not fit the model.
    """
    view = memoryview(body)
    length = _read_length(header_length, len(view))
    if header_length and not length:
        outputs = all_outputs(model.signature.outputs, binary=True)
        return InferRequest(read_raw(model, view), outputs)
    content = decode_json(view[:length])
    if not isinstance(content, dict):
        raise InvalidInput(f'body: expected {{"inputs": […]}}, got {show(content)}')
    unknown = content.keys() - _FIELDS - _REPEATED
    if unknown:
        raise InvalidInput(
            f"body: unknown {quote(min(unknown))}; expected id, parameters, inputs and outputs"
        )
    identity = content.get("id")
    if not isinstance(identity, str | None):
        raise InvalidInput(f"id: expected a text, got {show(identity)}")
    parameters = read_parameters("", content)
    _check_reserved(parameters)
    binary = read_flag("", parameters, "binary_data_output", False)
    return InferRequest(
        outputs=read_outputs(model.signature.outputs, content.get("outputs"), binary),
        feeds=read_inputs(model, content.get("inputs"), view[length:], max_rows),
        id=identity,
        timeout_microseconds=read_number("", parameters, "timeout", 0) or 0,
    )


def _read_length(header: str | None, length: int) -> int:
    """How long the JSON at the beginning of the body is."""
    if header is None:
        return length
    digits = header.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise Undecodable(f"{HEADER_LENGTH}: expected a number of bytes, got {quote(header)}")
    if int(digits) > length:
        raise Undecodable(
            f"{HEADER_LENGTH}: expected at most the {length} bytes of the body, got {digits}"
        )
    return int(digits)


def _check_reserved(parameters: Mapping[str, Any]) -> None:
    """Refuse what would change the answer on other servers and is not offered here."""
    for name, value in parameters.items():
        # Clients send 0, "" and false for "no sequence".
        if name in ("sequence_id", "sequence_start", "sequence_end") and value:
            raise InvalidInput(f"parameters.{name}: sequences are not offered")
        if name == "headers" or name.startswith("triton_"):
            raise InvalidInput(f"parameters: {quote(name)} is reserved by the protocol")
    read_number("", parameters, "priority", 0)
