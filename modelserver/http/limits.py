"""What every HTTP front takes from a client, and how long it waits."""

from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024
"""The longest request line and headers together."""

BACKLOG = 2048
"""Connections that wait in the kernel while as many as allowed are open."""

LINGER_SECONDS = 2.0
"""How long a refused client may go on sending: closing at once would reset the connection, and
the refusal would be lost before the client reads it."""

TURN_SECONDS = 0.005
"""How long one turn of a loop begins requests, or runs models, before sockets come again."""

QUICK_BODY_BYTES = 64 * 1024
"""Longer bodies are never read in a loop."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one listening port.

    Args:
        max_body_bytes: larger bodies are refused, by their stated length before they are read.
        max_connections: further connections wait in the kernel's backlog.
        idle_timeout_seconds: when a silent connection is closed, between requests and within one.
        header_timeout_seconds: when a connection is closed whose request line and headers are
            not complete, however steadily they trickle in.
    """

    max_body_bytes: int
    max_connections: int
    idle_timeout_seconds: float
    header_timeout_seconds: float
