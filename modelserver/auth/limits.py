"""How much one client may ask: a rate, and a number of requests at the same time."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelserver.errors import TooManyRequests


@dataclass(slots=True)
class _Account:
    """What one client has left."""

    tokens: float
    counted: float  # when `tokens` was right
    inflight: int = 0


class ClientLimits:
    """Admits the requests of clients one by one.

    The rate is a token bucket: a client saves up to one second's worth of requests, at least one,
    and each request takes one.

    Args:
        requests_per_second: of each client; 0: any rate.
        most_inflight: requests of each client that are answered at a time; 0: any number.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        requests_per_second: float,
        most_inflight: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = requests_per_second
        self._burst = max(1.0, requests_per_second)
        self._most_inflight = most_inflight
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._lock = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether there is any limit."""
        return bool(self._rate or self._most_inflight)

    def enter(self, client: str) -> None:
        """Count a request in; `leave` must follow.

        Args:
            client: a name from the key folder, so that there are only so many accounts.

        Raises:
            TooManyRequests: the client is over a limit; the error says when to come back.
        """
        with self._lock:
            now = self._clock()
            account = self._accounts.setdefault(client, _Account(self._burst, now))
            if self._most_inflight and account.inflight >= self._most_inflight:
                raise TooManyRequests(
                    f"client {client}: at most {self._most_inflight} requests at the same time"
                )
            self._take(client, account, now)
            account.inflight += 1

    def leave(self, client: str) -> None:
        """Count a request out."""
        with self._lock:
            self._accounts[client].inflight -= 1

    def _take(self, client: str, account: _Account, now: float) -> None:
        """Take one token."""
        if not self._rate:
            return
        gained = (now - account.counted) * self._rate
        account.tokens = min(self._burst, account.tokens + gained)
        account.counted = now
        if account.tokens < 1:
            wait = (1 - account.tokens) / self._rate
            raise TooManyRequests(
                f"client {client}: at most {self._rate:g} requests a second", math.ceil(wait)
            )
        account.tokens -= 1
