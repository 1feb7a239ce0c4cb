"""Send the golden request of a model to a running server, and compare its answer.

The artefact brings the request and what must come back; the server may be anywhere. An API key is
read from the environment variable API_KEY. Exit code 0: every version answered as recorded; 1: one
did not, and the report says how.

Example:
    python -m modelserver score --models models --name javascript-faq --url http://localhost:8080
"""

import argparse
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from modelserver.artefact import Artefact
from modelserver.artefact_folders import find_artefacts
from modelserver.errors import ArtefactError, Undecodable
from modelserver.golden import GoldenMismatch, largest_deviation
from modelserver.jsontext import decode_json

EXIT_OK, EXIT_FAILED = 0, 1
KEY_VARIABLE = "API_KEY"

_LONGEST_ERROR = 500  # characters of an answer that is not the expected one
_PAUSE_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--models", required=True, type=Path, metavar="DIR", help="an artefact, or a repository"
    )
    parser.add_argument("--name", required=True, help="the model; all its versions are asked")
    parser.add_argument("--url", required=True, help="the scoring port, as http://HOST:PORT")
    parser.add_argument(
        "--wait-seconds",
        type=float,
        default=60,
        metavar="N",
        help="how long to wait for a server that is not there or not ready [%(default)s]",
    )
    parser.add_argument(
        "--expect-refusal",
        action="store_true",
        help="the server asks for keys and we have none: it must answer 401",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask every version of the model, say what came back, and return the exit code."""
    try:
        artefacts = _versions(arguments.models, arguments.name)
        deadline = time.monotonic() + arguments.wait_seconds
        for artefact in artefacts:
            status, body = _ask(arguments.url, artefact, deadline)
            where = f"{artefact.manifest.name} version {artefact.manifest.version}"
            if arguments.expect_refusal:
                _check_refusal(status, body)
                sys.stdout.write(f"GOOD  {where}: no key, so it was refused (401)\n")
            else:
                deviation = _check(artefact, status, body)
                sys.stdout.write(f"GOOD  {where}: as recorded; largest deviation {deviation:.3g}\n")
    except (ArtefactError, _WrongAnswer) as error:
        sys.stdout.write(f"FAILED  {error}\n")
        return EXIT_FAILED
    return EXIT_OK


class _WrongAnswer(Exception):
    """The server did not answer as it should; the message says how."""


def _versions(models: Path, name: str) -> list[Artefact]:
    """The artefacts of a model, verified."""
    artefacts = [Artefact.open(folder) for folder in find_artefacts(models)]
    found = [artefact for artefact in artefacts if artefact.manifest.name == name]
    if not found:
        names = sorted({artefact.manifest.name for artefact in artefacts})
        raise ArtefactError(f"{models}: expected a model {name}, got {', '.join(names)}")
    for artefact in found:
        artefact.verify()
    return found


def _ask(url: str, artefact: Artefact, deadline: float) -> tuple[int, bytes]:
    """Send the golden request until it gets an answer that is not about being ready.

    Returns:
        HTTP status and body.

    Raises:
        _WrongAnswer: nobody had answered when the time was up.
    """
    manifest, golden = artefact.manifest, artefact.golden()
    target = f"{url.rstrip('/')}/v1/models/{manifest.name}/versions/{manifest.version}:predict"
    headers = {"Content-Type": golden.content_type}
    if key := os.environ.get(KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(target, golden.request, headers)  # noqa: S310 - the user's own
    while True:
        status, body = _send(request)
        late = time.monotonic() > deadline
        if status not in (0, HTTPStatus.SERVICE_UNAVAILABLE):
            return status, body
        if late:
            raise _WrongAnswer(f"{target}: {body.decode(errors='replace')[:_LONGEST_ERROR]}")
        time.sleep(_PAUSE_SECONDS)


def _send(request: urllib.request.Request) -> tuple[int, bytes]:
    """HTTP status and body; status 0 and the reason when there was no answer."""
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()


def _check(artefact: Artefact, status: int, body: bytes) -> float:
    """Compare an answer with the recorded one; returns the largest deviation."""
    if status != HTTPStatus.OK:
        text = body.decode(errors="replace")[:_LONGEST_ERROR]
        raise _WrongAnswer(f"expected status 200, got {status}: {text}")
    try:
        answer = decode_json(body)
        got = {"predictions": answer["predictions"]} if isinstance(answer, dict) else answer
        return largest_deviation(artefact.golden().response, got, artefact.manifest.tolerances)
    except (Undecodable, KeyError, GoldenMismatch) as error:
        raise _WrongAnswer(f"the answer is not the recorded one: {error}") from error


def _check_refusal(status: int, body: bytes) -> None:
    """A server that asks for keys must not answer without one."""
    if status != HTTPStatus.UNAUTHORIZED:
        text = body.decode(errors="replace")[:_LONGEST_ERROR]
        raise _WrongAnswer(f"expected status 401 without a key, got {status}: {text}")
