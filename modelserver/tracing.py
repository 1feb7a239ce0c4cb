"""Spans for requests, where an OpenTelemetry collector is named and its libraries are there."""

import re
from importlib import import_module
from typing import TYPE_CHECKING

from modelserver.errors import SettingsError

if TYPE_CHECKING:
    from modelserver.spans import Spans

_ENDPOINT = re.compile(r"https?://[^\s/?#]+[^\s?#]*")


def choose_spans(endpoint: str) -> "type[Spans] | None":
    """What records spans; nothing is started yet.

    Args:
        endpoint: the setting `otlp_endpoint`; empty: nothing does.

    Raises:
        SettingsError: it is no address, or the libraries are not installed.
    """
    if not endpoint:
        return None
    if not _ENDPOINT.fullmatch(endpoint):
        raise SettingsError(f"otlp_endpoint: expected http://… or https://…, got {endpoint!r}")
    try:
        module = import_module("modelserver.spans")
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"otlp_endpoint needs the package {error.name}; install modelserver with the extra "
            "`tracing`: pip install 'modelserver[tracing]'"
        ) from error
    spans: type[Spans] = module.Spans
    return spans
