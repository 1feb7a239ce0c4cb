"""The commands that a conversion's user wants next."""

import shlex
from pathlib import Path

from converters.publish import Place
from modelserver.artefact import GOLDEN_REQUESTS


def next_steps(folder: Path, place: Place) -> str:
    """The commands that serve an artefact and send it its golden request."""
    (request,) = folder.glob("example/request.*")
    kind = GOLDEN_REQUESTS[f"example/{request.name}"]
    return (
        f"python -m modelserver --models {shlex.quote(str(place.repository))}\n"
        f"curl -H 'Content-Type: {kind}' --data-binary {shlex.quote(f'@{request}')} \\\n"
        f"    http://localhost:8080/v1/models/{place.name}:predict"
    )
