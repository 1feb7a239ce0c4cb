"""How long a request may take: what the caller says, within what the server allows."""

import math
from dataclasses import dataclass

from modelserver.errors import InvalidInput
from modelserver.jsontext import quote

HEADER = "x-request-timeout"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits of one server.

    Args:
        default_seconds: for requests that say nothing.
        max_seconds: longer ones count as this.
    """

    default_seconds: float = 30.0
    max_seconds: float = 300.0

    def read(self, header: str | None, asked_seconds: float = 0.0) -> float:
        """Seconds that a request may take.

        Args:
            header: X-Request-Timeout, in seconds.
            asked_seconds: what the body says; 0 when it says nothing. The shorter one counts.

        Raises:
            InvalidInput: the header is no number of seconds above 0.
        """
        if not header and not asked_seconds:
            return min(self.default_seconds, self.max_seconds)
        return min(
            _parse(header) if header else math.inf, asked_seconds or math.inf, self.max_seconds
        )


def _parse(header: str) -> float:
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    # Written so that NaN is refused.
    if not 0 < seconds < math.inf:
        raise InvalidInput(f"X-Request-Timeout: expected seconds above 0, got {quote(header)}")
    return seconds
