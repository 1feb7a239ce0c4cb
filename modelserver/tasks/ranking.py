"""The best of many scores."""

import numpy as np


def top(scores: np.ndarray, count: int) -> list[int]:
    """Positions of the `count` highest of scores [C], highest first, lower position first on ties.

    Sorts only the candidates when `count` is small beside C.
    """
    if count < len(scores) // 4:
        threshold = np.partition(scores, -count)[-count]
        candidates = np.flatnonzero(scores >= threshold)
    else:
        candidates = np.arange(len(scores))
    order = np.argsort(-scores[candidates], kind="stable")[:count]
    ranked: list[int] = candidates[order].tolist()
    return ranked
