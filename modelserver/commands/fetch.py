"""Download a model into a folder: verified, resumed where it stopped, whole or not at all.

A .tar, .tar.gz or .tgz with an artefact or a repository is unpacked; any other file is put there
as it is. Nothing is shown before the SHA-256 of the download is right. A second run finds the work
done and ends at once. Exit code 0: the model is there; 1: it is not, and the last line says why.

Example:
    python -m modelserver fetch --url https://example.com/javascript-faq-1.tar.gz \\
        --sha256 SHA256 --into models
"""

import argparse
import sys
from pathlib import Path

from modelserver.errors import FetchError
from modelserver.fetching.archive import archive_mode, unpack
from modelserver.fetching.download import Source, download, shown
from modelserver.fetching.placement import Place

EXIT_OK, EXIT_FAILED = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--url", required=True, help="https address of the file")
    parser.add_argument("--sha256", required=True, metavar="HEX", help="SHA-256 of that file")
    parser.add_argument(
        "--into",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder for it; made if missing",
    )
    parser.add_argument(
        "--max-bytes",
        type=int,
        default=10 * 2**30,
        metavar="N",
        help="largest download, and the most that an archive may unpack to [%(default)s]",
    )
    parser.add_argument(
        "--attempts", type=int, default=5, metavar="N", help="how often to try [%(default)s]"
    )
    parser.add_argument(
        "--timeout-seconds",
        type=float,
        default=30,
        metavar="N",
        help="how long the server may be silent [%(default)s]",
    )
    parser.add_argument(
        "--allow-http", action="store_true", help="accept http too; the hash still has to match"
    )


def run(arguments: argparse.Namespace) -> int:
    """Fetch, say what happens, and return the exit code."""
    try:
        _fetch(arguments)
    except FetchError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or arguments.into}: {error.strerror or error}")
    return EXIT_OK


def _fetch(arguments: argparse.Namespace) -> None:
    source = Source(
        arguments.url,
        arguments.sha256,
        arguments.max_bytes,
        arguments.attempts,
        arguments.timeout_seconds,
        arguments.allow_http,
    )
    place = Place(arguments.into, source.sha256)
    if place.is_done():
        _say(f"nothing to do: {shown(source.url)} is in {place.into} already")
        return
    place.prepare()
    _say(f"fetching {shown(source.url)}")
    download(source, place.part, _say)
    _say(f"{place.part.stat().st_size} bytes, SHA-256 as expected")
    mode = archive_mode(source.file_name)
    if mode is None:
        there = place.show_file(source.file_name)
    else:
        files = unpack(place.part, mode, place.unpacked, source.max_bytes)
        _say(f"unpacked {files} files")
        there = place.show_models()
    _say(f"done: {', '.join(map(str, there))}")


def _say(line: str) -> None:
    sys.stdout.write(f"fetch: {line}\n")
    sys.stdout.flush()  # a log is read while it grows


def _fail(reason: str) -> int:
    sys.stderr.write(f"fetch: failed: {reason}\n")
    return EXIT_FAILED
