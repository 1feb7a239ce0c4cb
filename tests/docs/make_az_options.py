"""Writes az_options.json: the `az` commands of docs/aks.md with the options that they use there.

Run by `make az-options` with the Python of an environment that has azure-cli; needs no login and no
network. Only names, whether an option is required or a switch, and its choices are kept.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from azure.cli.core import get_default_cli
from knack.events import EVENT_INVOKER_PRE_PARSE_ARGS
from pages import az_commands

TABLE = Path(__file__).with_name("az_options.json")


def main() -> None:
    """Look every command up in azure-cli's own parser."""
    cli = get_default_cli()
    table: dict[str, dict[str, Any]] = {}
    for words in az_commands("aks.md"):
        count = next(i for i, word in enumerate(words) if word.startswith("-"))
        name = " ".join(words[:count])
        used = {word.partition("=")[0] for word in words[count:] if word.startswith("--")}
        missing = set(used)
        for names, facts in options(cli, words[:count]):
            long = [option for option in names if option.startswith("--")]
            kept = [option for option in long if option in used]
            if facts.get("required"):
                kept = kept or long[:1]
            table.setdefault(name, {}).update(dict.fromkeys(kept, facts))
            missing -= set(kept)
        if missing:
            sys.exit(f"az {name}: azure-cli has no {', '.join(sorted(missing))}")
    version = cli.get_cli_version()
    text = json.dumps({"azure-cli": version, "commands": table}, indent=1, sort_keys=True)
    TABLE.write_text(text + "\n")


class _Parsed(Exception):
    """The parser of a command is complete; there is no need to run the command."""


def options(cli: Any, command: list[str]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Every option of a command: its names, and what we want to know of it."""

    def stop(*_: object, **__: object) -> None:
        raise _Parsed

    cli.register_event(EVENT_INVOKER_PRE_PARSE_ARGS, stop)
    with contextlib.suppress(_Parsed):
        cli.invocation = cli.invocation_cls(
            cli_ctx=cli,
            parser_cls=cli.parser_cls,
            commands_loader_cls=cli.commands_loader_cls,
            help_cls=cli.help_cls,
        )
        cli.invocation.execute([*command, "--help"])
    parser = cli.invocation.parser
    for word in command:
        groups = (action for action in parser._actions if isinstance(action.choices, dict))
        parser = next(group.choices[word] for group in groups if word in group.choices)
    for action in parser._actions:
        facts: dict[str, Any] = {}
        if action.required:
            facts["required"] = True
        if action.nargs == 0:
            facts["switch"] = True
        if action.choices:
            facts["choices"] = sorted(map(str, action.choices))
        yield [str(option) for option in action.option_strings], facts


if __name__ == "__main__":
    main()
