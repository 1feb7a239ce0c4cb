"""Fixed batch sizes for GPUs."""

import numpy as np
import pytest

from modelserver.buckets import Buckets


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (8, (1, 2, 4, 8)),
        (20, (1, 2, 4, 8, 16, 20)),
        (32, (1, 2, 4, 8, 16, 32)),
    ],
)
def test_sizes(most: int, sizes: tuple[int, ...]) -> None:
    """Powers of two, and the largest batch whatever it is."""
    assert Buckets(most).sizes == sizes


@pytest.mark.parametrize(("rows", "padded"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 10), (10, 10)])
def test_padding(rows: int, padded: int) -> None:
    """A batch is filled up with its last row; its own rows stay where they are."""
    feeds = {"x": np.arange(rows * 2).reshape(rows, 2), "name": np.array(["a"] * rows, np.object_)}
    filled = Buckets(10).pad(feeds)
    assert {name: len(array) for name, array in filled.items()} == {"x": padded, "name": padded}
    np.testing.assert_array_equal(filled["x"][:rows], feeds["x"])
    assert (filled["x"][rows:] == feeds["x"][-1]).all()
