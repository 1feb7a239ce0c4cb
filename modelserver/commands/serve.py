"""Serve every model of a folder over HTTP.

Each flag can be given as an environment variable instead; the flag wins.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from modelserver import runtime
from modelserver.auth.keys import read_keys
from modelserver.errors import ArtefactError, SettingsError
from modelserver.http.choice import choose_front
from modelserver.logs import LineLog
from modelserver.service import Service
from modelserver.settings import Settings, environment_name, flag_name
from modelserver.tracing import choose_spans
from modelserver.workers.supervisor import Supervisor

EXIT_USAGE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags, all of them derived from the settings table."""
    for row in dataclasses.fields(Settings):
        parser.add_argument(
            flag_name(row.name),
            dest=row.name,
            default=argparse.SUPPRESS,
            metavar="VALUE",
            help=f"{row.metadata['meaning']} [{_shown(row.default)}] "
            f"({environment_name(row.name)})",
        )


def _shown(default: object) -> object:
    """A default as it is typed."""
    return str(default).lower() if isinstance(default, bool) else default


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes; returns the exit code."""
    try:
        settings = Settings.from_mappings(vars(arguments), os.environ)
        choose_front(settings.http_server)
        choose_spans(settings.otlp_endpoint)
        if settings.api_keys_dir:
            read_keys(Path(settings.api_keys_dir))
        runtime.check_installation()
    except (SettingsError, ArtefactError) as error:
        sys.stderr.write(f"modelserver: {error}\n")
        return EXIT_USAGE
    server = Supervisor if settings.workers > 1 else Service
    return server(settings, LineLog(settings.log_format)).run()
