"""The deployment pages as shell scripts, and the `az` lines in them; standard library only."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page of docs/ in one language."""
    text = (ROOT / "docs" / page).read_text()
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def az_commands(page: str) -> list[list[str]]:
    """The words of each `az` command of a page, those inside $(...) included."""
    script = "".join(blocks(page, "bash")).replace("\\\n", " ")
    commands = []
    for line in script.splitlines():
        for start in (match.start() for match in re.finditer(r"(?:^|\$\()az ", line)):
            inner = line[start:].startswith("$(")
            text = _until_closed(line[start + 2 :]) if inner else line[start:]
            # What a variable or a command will say is one word, whatever it is.
            commands.append(shlex.split(re.sub(r"\$\([^)]*\)", "X", text))[1:])
    return commands


def _until_closed(text: str) -> str:
    """The text up to the parenthesis that closes it."""
    depth = 1
    for i, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[:i]
    raise ValueError(f"not closed: {text}")
