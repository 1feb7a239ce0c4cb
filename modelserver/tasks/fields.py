"""Checks that tasks share for the small values in request parameters."""

from collections.abc import Mapping
from typing import Any

from modelserver.errors import InvalidInput
from modelserver.jsontext import quote, show


def check_known(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse parameters that the task does not have."""
    unknown = sorted(given.keys() - set(known))
    if unknown:
        takes = f"this model takes {', '.join(known)}" if known else "this model takes none"
        raise InvalidInput(f"parameters: unknown {quote(unknown[0])}; {takes}")


def read_count(given: Mapping[str, Any], name: str, default: int) -> int:
    """Read a whole number of at least 1."""
    value = given.get(name, default)
    if type(value) is not int or value < 1:
        raise InvalidInput(f"parameters.{name}: expected a whole number >= 1, got {show(value)}")
    return value


def read_share(given: Mapping[str, Any], name: str, default: float) -> float:
    """Read a number from 0 to 1."""
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidInput(f"parameters.{name}: expected a number from 0 to 1, got {show(value)}")
    return float(value)
