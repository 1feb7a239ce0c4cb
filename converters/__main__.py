"""`python -m converters`: one sub-command for each kind of model."""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from converters import check
from converters.deep import keras_command, onnx_command, tensorflow_command, torch_command
from converters.errors import ConverterError, UsageError
from converters.faq import command as faq
from converters.resnet import command as resnet152
from converters.sklearn import command as sklearn
from converters.stackexchange import command as stackexchange

COMMANDS: tuple[ModuleType, ...] = (
    faq,
    sklearn,
    resnet152,
    torch_command,
    keras_command,
    tensorflow_command,
    onnx_command,
    stackexchange,
    check,
)
"""Each has NAME, HELP, add_arguments(parser) and run(arguments) -> exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m converters",
        description="Export a trained Python model to an artefact that `modelserver` serves.",
        epilog="exit codes: 0 done, 1 bad data, 2 usage, 3 unsupported model, 4 parity failed",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    chosen = parser.parse_args(words)
    try:
        code: int = chosen.run(chosen)
    except ConverterError as error:
        sys.stderr.write(f"converters: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("converters: stopped; nothing was written\n")
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
