"""Metrics of several processes, added up; knows no metrics library."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name and the labels of one series."""

_GAUGE = "gauge"
_NO_MODEL = "none"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: what it is, and the value of each of its series."""

    name: str
    kind: str
    text: str
    values: Mapping[Series, float]

    def to_json(self) -> list[Any]:
        """Values that JSON has forms for."""
        return [self.name, self.kind, self.text, [[*s, v] for s, v in self.values.items()]]

    @classmethod
    def from_json(cls, content: Sequence[Any]) -> "Family":
        """Read what `to_json` wrote."""
        name, kind, text, rows = content
        values = {
            (series, tuple((key, value) for key, value in labels)): number
            for series, labels, number in rows
            if number is not None  # NaN has no form in JSON
        }
        return cls(name, kind, text, values)


def add_up(processes: Iterable[Iterable[Family]], largest: frozenset[str]) -> list[Family]:
    """Join the metrics of several processes to those of one server.

    Args:
        processes: the metrics of each.
        largest: names of the gauges of which the largest value counts; all else is summed.
    """
    joined: dict[str, Family] = {}
    for families in processes:
        for family in families:
            known = joined.get(family.name)
            pick = max if family.name in largest else float.__add__
            values = dict(known.values) if known else {}
            for series, value in family.values.items():
                values[series] = (
                    pick(values[series], float(value)) if series in values else float(value)
                )
            joined[family.name] = Family(family.name, family.kind, family.text, values)
    return list(joined.values())


def lasting(families: Iterable[Family]) -> list[Family]:
    """What a process that has ended leaves behind: its counts, but not the state it was in."""
    return [family for family in families if family.kind != _GAUGE]


def only_models(families: Iterable[Family], models: frozenset[tuple[str, str]]) -> list[Family]:
    """Leave out series of versions that no process has any more.

    Args:
        families: all metrics.
        models: name and version of those that some process has.
    """
    return [
        Family(
            family.name,
            family.kind,
            family.text,
            {s: value for s, value in family.values.items() if _belongs(dict(s[1]), models)},
        )
        for family in families
    ]


def _belongs(labels: Mapping[str, str], models: frozenset[tuple[str, str]]) -> bool:
    if "version" not in labels or labels["model"] == _NO_MODEL:
        return True
    return (labels["model"], labels["version"]) in models
