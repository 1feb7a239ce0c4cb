"""Plans what training withholds in order to see how a model meets new questions.

Two kinds of rehearsal:

- Usual ones withhold a quarter of the duplicates, and some out-of-scope questions.
- One withholds all duplicates of a quarter of the FAQs. They look new then, as FAQs do that have no
  known duplicate, or that are added to a model later.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from converters.faq.records import FaqData, Id

Item = TypeVar("Item")

_FOLDS = 4
_NEW_SHARE = 0.25
_FEWEST_KNOWN = 4

# Usual rehearsals are held until they asked this many questions.
_ENOUGH = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A withheld question: cleaned text, FAQs that answer it (none: out of scope), weight."""

    text: str
    duplicate_of: tuple[Id, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is trained on, and what is asked then, in random order.

    Args:
        data: without what is withheld.
        asked: what is withheld.
        newcomers: ids of the FAQs that look new; empty in usual rehearsals.
    """

    data: FaqData
    asked: Sequence[Asked]
    newcomers: frozenset[Id] = frozenset()


def plan_rehearsals(data: FaqData, seed: int) -> list[Rehearsal]:
    """Plan the rehearsals for some data; equal seeds give equal plans."""
    if not data.duplicates:
        return []
    chance = np.random.default_rng(seed)
    folds = chance.permutation(len(data.duplicates)) % _FOLDS
    count = min(_FOLDS, 1 + _FOLDS * _ENOUGH // len(data.duplicates))
    turns = chance.permutation(len(data.out_of_scope)) % count
    usual = [_usual(data, folds == turn, turns == turn, chance) for turn in range(count)]
    return [*usual, *_with_newcomers(data, folds == 0, chance)]


def _usual(
    data: FaqData, withheld: np.ndarray, strange: np.ndarray, chance: np.random.Generator
) -> Rehearsal:
    asked = [Asked(one.text, one.duplicate_of) for one in _take(data.duplicates, withheld)]
    asked += [Asked(one.text, ()) for one in _take(data.out_of_scope, strange)]
    rest = replace(
        data,
        duplicates=list(_take(data.duplicates, ~withheld)),
        out_of_scope=list(_take(data.out_of_scope, ~strange)),
    )
    return Rehearsal(rest, _shuffled(asked, chance))


def _with_newcomers(
    data: FaqData, withheld: np.ndarray, chance: np.random.Generator
) -> Iterator[Rehearsal]:
    """Withhold all duplicates of some FAQs, and the withheld duplicates of the others."""
    known = list(dict.fromkeys(name for one in data.duplicates for name in one.duplicate_of))
    if len(known) < _FEWEST_KNOWN:
        return
    new = chance.permutation(len(known)) < _NEW_SHARE * len(known)
    newcomers = frozenset(_take(known, new))
    asked, kept = [], []
    for one, turn in zip(data.duplicates, withheld, strict=True):
        if newcomers.intersection(one.duplicate_of):
            # All of these are asked, of the others one in four: weigh them alike.
            asked.append(Asked(one.text, one.duplicate_of, 1 / _FOLDS))
        elif turn:
            asked.append(Asked(one.text, one.duplicate_of))
        else:
            kept.append(one)
    yield Rehearsal(replace(data, duplicates=kept), _shuffled(asked, chance), newcomers)


def _take(items: Sequence[Item], chosen: np.ndarray) -> Iterator[Item]:
    return (item for item, take in zip(items, chosen, strict=True) if take)


def _shuffled(items: Sequence[Asked], chance: np.random.Generator) -> list[Asked]:
    return [items[number] for number in chance.permutation(len(items))]
