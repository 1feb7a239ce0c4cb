"""Checks `az` commands against a table of azure-cli's options, without azure-cli."""

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

Table = dict[str, dict[str, dict[str, Any]]]


def table() -> Table:
    """The commands and options of the pages, as azure-cli has them."""
    found: Table = json.loads(Path(__file__).with_name("az_options.json").read_text())["commands"]
    return found


def faults(words: list[str], known: Table) -> list[str]:
    """What azure-cli would refuse in a command; empty when nothing.

    Args:
        words: the command line without `az`.
        known: what it is checked against.
    """
    head = list(takewhile(lambda word: not word.startswith("-"), words))
    name = " ".join(head)
    if name not in known:
        # A positional argument, as the last dot of `az acr build ... .`, stands behind options.
        return [f"az {name}: unknown command; run `make az-options`"]
    given = _group(words[len(head) :])
    bad = []
    for option, values in given.items():
        bad += _option_faults(option, values, known[name].get(option))
    required = {option for option, facts in known[name].items() if facts.get("required")}
    bad += [f"{option} is missing" for option in sorted(required - given.keys())]
    return [f"az {name}: {fault}" for fault in bad]


def _group(words: list[str]) -> dict[str, list[str]]:
    """Each option with the values behind it."""
    given: dict[str, list[str]] = {}
    option = ""
    for word in words:
        if word.startswith("-") and not word[1:].isdigit():
            option, _, value = word.partition("=")
            given.setdefault(option, []).extend([value] if value else [])
        else:
            given[option].append(word)
    return given


def _option_faults(option: str, values: list[str], facts: dict[str, Any] | None) -> list[str]:
    if facts is None:
        return [f"no option {option}; run `make az-options`"]
    if facts.get("switch"):
        return [f"{option} takes no value"] if values and values != ["."] else []
    if not values or not all(values):
        return [f"{option} needs a value"]
    choices = {choice.lower() for choice in facts.get("choices", ())}
    wrong = [value for value in values if choices and value.lower() not in choices]
    return [f"{option}: {value} is not one of {', '.join(sorted(choices))}" for value in wrong]
