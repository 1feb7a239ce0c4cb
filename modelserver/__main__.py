"""`python -m modelserver`: runs one command, or serves when none is named."""

import argparse
import difflib
import importlib
import re
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
        # The list of all settings would hide what an error says.
        usage="%(prog)s [COMMAND] [--SETTING VALUE ...]" if name == DEFAULT else None,
        description=command.__doc__,
        epilog=_table() if name == DEFAULT else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"modelserver {__version__}")
    command.add_arguments(parser)
    try:
        given, unknown = parser.parse_known_args(words)
        if unknown:
            parser.error(_unknown(unknown[0], parser))
        code: int = command.run(given)
    except KeyboardInterrupt:
        return 130
    return code


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """Say that a word means nothing, and what it may have been meant for."""
    flags = re.findall(r"--[a-z0-9-]+", parser.format_help())
    close = difflib.get_close_matches(word.partition("=")[0], [*COMMANDS, *flags], 1)
    return f"unknown: {word}" + (f"; did you mean {close[0]}?" if close else "")


def _table() -> str:
    """The commands and what they do, for --help."""
    rows = "".join(f"  {name:8}{text}\n" for name, text in COMMANDS.items())
    return f"commands (each has a --help of its own):\n{rows}"


if __name__ == "__main__":
    end_process(main())
