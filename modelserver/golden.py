"""Compares a response with the golden one, number by number."""

from typing import Any

from modelserver.manifest import Tolerances


class GoldenMismatch(Exception):
    """The response is not the golden one within tolerance; the message says where."""


def largest_deviation(
    want: Any, got: Any, tolerances: Tolerances, where: str = "response"
) -> float:
    """Walk two JSON values side by side.

    Args:
        want: the golden response.
        got: the response of this machine.
        tolerances: how far fractions may be apart. Whole numbers are ids, indexes or exact
            results, so they must be equal, like everything else.
        where: the path to the values, for the message.

    Returns:
        The largest absolute difference between two numbers, 0.0 when there is none.

    Raises:
        GoldenMismatch: the structure differs, or a number is off by more than allowed.
    """
    types = {type(want), type(got)}
    if float in types and types <= {int, float}:
        deviation = abs(got - want)
        # Written so that NaN is refused.
        if not deviation <= tolerances.absolute + tolerances.relative * abs(want):
            raise GoldenMismatch(f"{where}: expected {want}, got {got}")
        return float(deviation)
    pairs = _pairs(want, got, where)
    return max((largest_deviation(w, g, tolerances, at) for at, w, g in pairs), default=0.0)


def _pairs(want: Any, got: Any, where: str) -> list[tuple[str, Any, Any]]:
    """List what two values hold side by side: path, wanted, got; nothing when they are equal."""
    if isinstance(want, dict) and isinstance(got, dict) and want.keys() == got.keys():
        return [(f"{where}.{key}", want[key], got[key]) for key in want]
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        return [(f"{where}[{i}]", want[i], got[i]) for i in range(len(want))]
    if type(want) is type(got) and want == got:
        return []
    raise GoldenMismatch(f"{where}: expected {_short(want)}, got {_short(got)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
