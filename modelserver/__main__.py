"""`python -m modelserver`: runs one command, or serves when none is named."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from modelserver import __version__
from modelserver.commands import COMMANDS, DEFAULT
from modelserver.ending import end_process


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words.pop(0) if words and words[0] in COMMANDS else DEFAULT
    command = importlib.import_module(f"modelserver.commands.{name}")
    parser = argparse.ArgumentParser(
        prog="python -m modelserver" + ("" if name == DEFAULT else f" {name}"),
        description=command.__doc__,
        epilog=_table() if name == DEFAULT else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"modelserver {__version__}")
    command.add_arguments(parser)
    try:
        code: int = command.run(parser.parse_args(words))
    except KeyboardInterrupt:
        return 130
    return code


def _table() -> str:
    """The commands and what they do, for --help."""
    rows = "".join(f"  {name:8}{text}\n" for name, text in COMMANDS.items())
    return f"commands (each has a --help of its own):\n{rows}"


if __name__ == "__main__":
    end_process(main())
