"""Make an API key for a client and record its SHA-256.

The key is printed once, on standard output, and kept nowhere. The folder is the server's
`--api-keys-dir`; a running server sees the change within a second. A client may have several keys
at once: to replace one, make a new one, give it to the client, then delete the line of the old one.

Examples:
    python -m modelserver keys new webshop --into keys
    kubectl create secret generic scoring-keys --from-file=keys
"""

import argparse
import os
import sys
from pathlib import Path

from modelserver.auth.keys import CLIENT_PATTERN, digest, new_key, read_keys
from modelserver.errors import SettingsError

EXIT_OK, EXIT_USAGE = 0, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a key", allow_abbrev=False)
    new.add_argument(
        "client",
        metavar="CLIENT",
        help="the client's name in logs and metrics: letters, digits, '.', '_', '-', at most 63",
    )
    new.add_argument(
        "--into", metavar="DIR", type=Path, required=True, help="key folder; made if missing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Make a key, write its digest and print it; returns the exit code."""
    client, folder = arguments.client, arguments.into
    try:
        if not CLIENT_PATTERN.fullmatch(client):
            raise SettingsError(
                f"CLIENT: expected letters, digits, '.', '_' and '-', at most 63, got {client!r}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        # A folder that is wrong already would be refused by the server, this key included.
        known = list(read_keys(folder).values()).count(client)
        key = new_key()
        _append(folder / client, digest(key).hex())
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"modelserver keys: {error}\n")
        return EXIT_USAGE
    sys.stdout.write(key + "\n")
    sys.stderr.write(
        f"This is the key of {client}; it is shown this once. {folder / client} holds its SHA-256"
        + (f" beside {known} older.\n" if known else ".\n")
    )
    return EXIT_OK


def _append(path: Path, line: str) -> None:
    """Add a line to a file that a running server may be reading."""
    before = path.read_text() if path.exists() else ""
    if before and not before.endswith("\n"):
        before += "\n"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{before}{line}\n")
    draft.replace(path)
