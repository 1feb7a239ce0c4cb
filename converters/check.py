"""Verify an artefact on this machine: hashes, tensor specs, golden pair, parity examples.

Example:
    python -m converters check models/javascript-faq/1
"""

import argparse
from pathlib import Path

from converters.errors import ParityFailed, UsageError
from converters.parity import PARITY_NAME, Examples, compare
from converters.report import Report
from modelserver.artefact_folders import find_artefacts
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.model import ServedModel

NAME = "check"
HELP = "verify an artefact, or every artefact of a repository, on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("artefact", metavar="ARTEFACT", help="artefact folder, or a repository")


def run(arguments: argparse.Namespace) -> int:
    """Check, print one section for each artefact, and return the exit code."""
    report = Report(f"Checked {arguments.artefact}")
    try:
        folders = find_artefacts(Path(arguments.artefact))
    except ArtefactError as error:
        raise UsageError(str(error)) from error
    try:
        for folder in folders:
            model = ServedModel.load(folder, available_cpus())
            _describe(report, model)
    except ArtefactError as error:
        raise ParityFailed(str(error)) from error
    print(report.to_text(), end="")
    return 0


def _describe(report: Report, model: ServedModel) -> None:
    manifest = model.artefact.manifest
    parity = compare(model, Examples.from_json(model.artefact.read_json(PARITY_NAME)))
    if not parity.holds:
        raise ParityFailed(
            f"{model.artefact.folder}: differs from the original model by {parity.largest:.3g} on "
            f"this machine; allowed is {parity.tolerance:.3g}"
        )
    report.section(
        f"{model.name} version {model.version}",
        {
            "task": manifest.task,
            "files": f"{len(manifest.files)}, all as recorded",
            "golden request": f"answered as recorded; largest deviation {model.golden_error:.3g}",
            "parity here": f"largest difference {parity.largest:.3g} over "
            f"{parity.compared} examples",
            "parity at conversion": f"largest difference {manifest.parity['largest']:.3g} over "
            f"{manifest.parity['compared']} examples",
            "provider": model.provider,
        },
    )
