"""The best of many scores."""

import numpy as np
import pytest

from modelserver.tasks.ranking import top


@pytest.mark.parametrize("count", [1, 2, 5, 24, 25, 99, 100, 101, 1000])
def test_like_sorting_everything(count: int) -> None:
    """Whichever way is taken, the result is that of sorting everything."""
    for classes in (100, 1000):
        scores = np.random.default_rng(count).integers(0, 20, classes).astype(np.float32)
        want = sorted(range(classes), key=lambda i: (-scores[i], i))[:count]
        assert top(scores, count) == want


def test_ties_go_to_the_lower_position() -> None:
    """Equal scores come in order of position, so that answers can be repeated."""
    assert top(np.zeros(1000, np.float32), 3) == [0, 1, 2]
