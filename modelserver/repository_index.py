"""What the repository index of the Open Inference Protocol says of a version."""

from dataclasses import dataclass

READY, LOADING, UNAVAILABLE = "READY", "LOADING", "UNAVAILABLE"
"""The states of a version."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version in the repository index; `reason` says why it is not ready, or what failed."""

    name: str
    version: str
    state: str
    reason: str = ""
