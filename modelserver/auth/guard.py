"""The door: who may ask what, decided from the headers alone, before a body is read."""

import re

from modelserver.auth.keys import KeyDirectory
from modelserver.auth.limits import ClientLimits
from modelserver.errors import KeyMissing, KeyUnknown

OPEN_PATHS = re.compile(r"/|/version|/docs|/openapi\.json|/assets/[^/]*|/v2/health/(live|ready)")
"""What needs no key: probes, and pages that are the same for every model."""

_BEARER = "bearer "


class Guard:
    """Tells clients apart by their keys and holds each to its limits.

    Args:
        keys: of the clients; None lets everybody in, nameless and without limits.
        limits: of each client.
    """

    def __init__(self, keys: KeyDirectory | None, limits: ClientLimits) -> None:
        self._keys = keys
        self._limits = limits

    def identify(self, path: str, authorization: str | None, api_key: str | None) -> str:
        """Find out who asks.

        Args:
            path: of the request.
            authorization: its header `Authorization`.
            api_key: its header `X-API-Key`.

        Returns:
            The client's name; empty for those who need none.

        Raises:
            KeyMissing: it has no key.
            KeyUnknown: it has one that is not, or not any more, a client's.
        """
        if self._keys is None or OPEN_PATHS.fullmatch(path):
            return ""
        client = self._keys.client(_read_key(authorization, api_key))
        if client is None:
            raise KeyUnknown("the API key is not known here; it may have been replaced")
        return client

    def enter(self, client: str) -> None:
        """Count a request in, if it is of a client; `leave` must follow.

        Raises:
            TooManyRequests: the client is over a limit.
        """
        if client:
            self._limits.enter(client)

    def leave(self, client: str) -> None:
        """Count a request out, if it is of a client."""
        if client:
            self._limits.leave(client)


def _read_key(authorization: str | None, api_key: str | None) -> str:
    """Find the key in either header."""
    if authorization and authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    if api_key:
        return api_key.strip()
    raise KeyMissing(
        "an API key is needed: send it as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'"
    )


OPEN = Guard(None, ClientLimits(0, 0))
"""Lets everybody in."""
