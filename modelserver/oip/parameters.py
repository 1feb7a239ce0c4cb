"""The `parameters` objects of a request: texts, numbers and booleans by name."""

from collections.abc import Mapping
from typing import Any

from modelserver.errors import InvalidInput
from modelserver.jsontext import quote, show

_NONE: dict[str, Any] = {}


def read_parameters(where: str, owner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a request, an input or an output.

    Args:
        where: the owner, for the error.
        owner: the object that may have the field `parameters`.

    Raises:
        InvalidInput: it is no object, or holds anything but texts, numbers and booleans.
    """
    parameters = owner.get("parameters", _NONE)
    if not isinstance(parameters, dict):
        raise InvalidInput(f"{where}parameters: expected an object, got {show(parameters)}")
    for name, value in parameters.items():
        if not isinstance(value, (str, int, float)):
            raise InvalidInput(
                f"{where}parameters: {quote(name)}: expected a text, a number or a boolean, "
                f"got {show(value)}"
            )
        if name.startswith("shared_memory_"):
            raise InvalidInput(
                f"{where}parameters: shared memory is not offered; send the data in the body"
            )
    return parameters


def read_flag(where: str, parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    """Read a boolean."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidInput(f"{where}parameters.{name}: expected true or false, got {show(value)}")
    return value


def read_number(where: str, parameters: Mapping[str, Any], name: str, least: int) -> int | None:
    """Read a whole number; None when it is not there."""
    value = parameters.get(name)
    if value is None:
        return None
    if type(value) is not int or value < least:
        raise InvalidInput(
            f"{where}parameters.{name}: expected a whole number >= {least}, got {show(value)}"
        )
    return value
