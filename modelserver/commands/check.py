"""Verify an artefact on this machine, as the server does before it serves it.

Hashes of all files, tensor specs against the model, the golden request, and a warm-up. Needs no
converter and no original model. Exit code 0: all would be served; 1: at least one would not.

Example:
    python -m modelserver check models/javascript-faq/1
"""

import argparse
import sys
import time
from pathlib import Path

from modelserver import runtime
from modelserver.artefact_folders import find_artefacts
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.model import ServedModel
from modelserver.repository import Loader
from modelserver.runtime import Device
from modelserver.settings import DEVICES

EXIT_OK, EXIT_REFUSED = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="an artefact folder, or a repository of them"
    )
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="where the model runs [auto]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check every artefact, say what was found of each, and return the exit code."""
    try:
        runtime.check_installation()
        folders = find_artefacts(arguments.folder)
    except ArtefactError as error:
        sys.stdout.write(f"REFUSED  {error}\n")
        return EXIT_REFUSED
    loader = Loader(arguments.folder, available_cpus(), Device(arguments.device))
    refused = sum(not _check(loader, folder) for folder in folders)
    sys.stdout.write(f"{len(folders) - refused} of {len(folders)} would be served\n")
    return EXIT_REFUSED if refused else EXIT_OK


def _check(loader: Loader, folder: Path) -> bool:
    """Load one artefact as the server does and say what came of it."""
    started = time.perf_counter()
    try:
        model = loader.load(folder)
    except ArtefactError as error:
        sys.stdout.write(f"REFUSED  {folder}\n  {error}\n")
        return False
    seconds = time.perf_counter() - started
    lines = "".join(f"  {name:15} {text}\n" for name, text in _findings(model, seconds).items())
    sys.stdout.write(f"GOOD     {folder}\n{lines}")
    return True


def _findings(model: ServedModel, seconds: float) -> dict[str, str]:
    manifest = model.artefact.manifest
    size = sum(record.bytes for record in manifest.files.values())
    allowed = manifest.tolerances
    return {
        "model": f"{model.name} version {model.version}, task {manifest.task}",
        "files": f"{len(manifest.files)} with {size / 1e6:.1f} MB, all as recorded",
        "tensors": f"{len(manifest.inputs)} in, {len(manifest.outputs)} out, all as recorded",
        "golden request": f"answered as recorded; largest deviation {model.golden_error:.3g}, "
        f"allowed {allowed.absolute:.3g} + {allowed.relative:.3g} of the number",
        "ran on": f"{model.provider}, ONNX Runtime {runtime.runtime_version()}",
        "took": f"{seconds:.2f} s to verify, load and warm up",
    }
