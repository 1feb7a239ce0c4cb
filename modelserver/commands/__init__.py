"""What `python -m modelserver` can do: one module a command, one row here for each."""

from collections.abc import Mapping

DEFAULT = "serve"
"""What runs when no command is named."""

COMMANDS: Mapping[str, str] = {
    "serve": "serve every model of a folder over HTTP; this is what runs without a command",
    "check": "verify an artefact, or every artefact of a repository, on this machine",
    "score": "send the golden request to a running server, and compare its answer",
    "fetch": "download a model, verified, into a folder",
    "keys": "make an API key for a client",
    "profile": "measure a model on this machine and write Helm values for it",
}
"""Name to help. The module of that name has add_arguments(parser) and run(arguments) -> exit code.

Only the chosen module is imported: `fetch` runs in a small init container, and the libraries that
serving needs take several times its memory.
"""
