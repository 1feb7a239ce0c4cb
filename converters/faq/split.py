"""Splits FAQ data for an evaluation: what a model may learn from, and what it is asked.

The rule, for a share of 0.2:

- Of the n duplicates of a FAQ, max(1, floor(0.2 n)) are asked, as in the reference implementation.
- FAQs with a single duplicate are too many in real data to leave them all without one: a fifth of
  them give theirs away (floor), and are then asked about as FAQs without a known duplicate.
- A duplicate of several FAQs counts for the first that it names.
- Half of the out-of-scope questions are asked: a refusal rate needs many.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from converters.faq.records import FaqData, Id

Item = TypeVar("Item")

_STRANGE_SHARE = 0.5


def split(data: FaqData, share: float, seed: int) -> tuple[FaqData, FaqData]:
    """Split at random; equal seeds give equal splits.

    Args:
        data: all there is.
        share: of the duplicates that are asked, above 0 and below 1.
        seed: of the choice.

    Returns:
        What to train on, and what to ask; both hold all FAQs.
    """
    chance = np.random.default_rng(seed)
    groups: dict[Id, list[int]] = {}
    for number, one in enumerate(data.duplicates):
        groups.setdefault(one.duplicate_of[0], []).append(number)
    single = [group[0] for group in groups.values() if len(group) == 1]
    asked = set(_draw(single, int(share * len(single)), chance))
    for group in groups.values():
        if len(group) > 1:
            asked.update(_draw(group, max(1, int(share * len(group))), chance))
    strange = len(data.out_of_scope)
    strangers = set(_draw(range(strange), int(_STRANGE_SHARE * strange), chance))
    train = replace(
        data,
        duplicates=_part(data.duplicates, asked, False),
        out_of_scope=_part(data.out_of_scope, strangers, False),
    )
    test = replace(
        data,
        duplicates=_part(data.duplicates, asked, True),
        out_of_scope=_part(data.out_of_scope, strangers, True),
    )
    return train, test


def _draw(numbers: Sequence[int], count: int, chance: np.random.Generator) -> list[int]:
    return [numbers[place] for place in chance.permutation(len(numbers))[:count]]


def _part(items: Sequence[Item], chosen: set[int], inside: bool) -> list[Item]:
    return [item for number, item in enumerate(items) if (number in chosen) == inside]
