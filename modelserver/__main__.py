"""`python -m modelserver`: reads the settings and runs the service."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence

from modelserver import __version__, runtime
from modelserver.errors import ArtefactError, SettingsError
from modelserver.logs import LineLog
from modelserver.service import Service
from modelserver.settings import Settings, environment_name, flag_name

EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; returns the exit code."""
    try:
        settings = Settings.from_mappings(_parse(arguments), os.environ)
        runtime.check_installation()
    except (SettingsError, ArtefactError) as error:
        sys.stderr.write(f"modelserver: {error}\n")
        return EXIT_USAGE
    return Service(settings, LineLog(settings.log_format)).run()


def _parse(arguments: Sequence[str] | None) -> Mapping[str, str]:
    """Read the flags, all of them derived from the settings table."""
    parser = argparse.ArgumentParser(
        prog="python -m modelserver",
        description="Serve every model of a folder over HTTP.",
        epilog="Each flag can be given as an environment variable instead; the flag wins.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"modelserver {__version__}")
    for row in dataclasses.fields(Settings):
        parser.add_argument(
            flag_name(row.name),
            dest=row.name,
            metavar="VALUE",
            help=f"{row.metadata['meaning']} [{row.default}] ({environment_name(row.name)})",
        )
    return vars(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
