"""Flags of torch's exporter; apart from the exporter itself, which imports torch."""

import argparse

EXPORTERS = ("dynamo", "script")
DEFAULT_OPSET = 20


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how torch exports."""
    group = parser.add_argument_group("export")
    group.add_argument(
        "--exporter",
        choices=EXPORTERS,
        default=EXPORTERS[0],
        help="PyTorch's current exporter, or its former one (default: %(default)s)",
    )
    group.add_argument(
        "--opset", type=int, default=DEFAULT_OPSET, metavar="N", help="default: %(default)s"
    )
