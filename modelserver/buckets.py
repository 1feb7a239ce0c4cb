"""Fixed batch sizes for GPUs, where the first run of every new shape is slow.

cuDNN chooses its algorithms again for each shape it has not seen, so a GPU gets a few sizes only,
each run once before the model is ready; a smaller batch is filled up to the next size.
"""

from collections.abc import Mapping

import numpy as np


class Buckets:
    """The batch sizes of one model: 1, 2, 4, ... and the largest one.

    Args:
        most_rows: the largest batch.
    """

    def __init__(self, most_rows: int) -> None:
        powers = (1 << exponent for exponent in range(most_rows.bit_length()))
        self.sizes = (*(size for size in powers if size < most_rows), most_rows)

    def pad(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Repeat the last row of every input [N, ...] until N is the next size.

        The caller drops the answers past its own rows.
        """
        rows = len(next(iter(feeds.values())))
        missing = next(size for size in self.sizes if size >= rows) - rows
        if not missing:
            return dict(feeds)
        return {
            name: np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
            for name, array in feeds.items()
        }
