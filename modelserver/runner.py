"""Runs the batches of one model and counts them."""

import math
import time

import numpy as np

from modelserver.buckets import Buckets
from modelserver.calls import Arrays
from modelserver.errors import ModelFailed
from modelserver.runtime import OnnxModel
from modelserver.signature import Signature
from modelserver.statistics import Statistics


class Runner:
    """An ONNX session with what belongs to each run of it.

    It knows nothing of the model it is part of: the threads that run batches hold a Runner, and a
    model that serves no more is to be freed the moment its last request lets go of it.

    Args:
        onnx_model: the session.
        signature: what goes in and comes out.
        buckets: the sizes that batches are padded to, on a GPU.
    """

    def __init__(
        self, onnx_model: OnnxModel, signature: Signature, buckets: Buckets | None
    ) -> None:
        self.statistics = Statistics()
        self._onnx_model = onnx_model
        self._signature = signature
        self._buckets = buckets

    def run(self, arrays: Arrays, rows: int, deadline: float = math.inf) -> Arrays:
        """Run one batch of at most `max_batch_rows` rows, or one call of a model without rows.

        Raises:
            DeadlineExceeded: the deadline, on `time.perf_counter()`, came first.
            ModelFailed: the model raised, or answered another number of rows.
        """
        started = time.perf_counter()
        joined = self._signature.has_rows and not arrays.keys() & self._signature.optional
        padded = self._buckets.pad(arrays) if self._buckets and joined else arrays
        outputs = self._onnx_model.run(padded, deadline)
        if joined:
            _check_rows(len(next(iter(padded.values()))), outputs)
        if padded is not arrays:
            outputs = {name: array[:rows] for name, array in outputs.items()}
        self.statistics.ran(rows, time.perf_counter() - started)
        return outputs


def _check_rows(count: int, arrays: Arrays) -> None:
    """Refuse outputs without one row for each row of the inputs: they would be handed out wrong."""
    for name, array in arrays.items():
        if np.shape(array)[:1] != (count,):
            shape = list(np.shape(array))
            raise ModelFailed(f"output {name}: expected {count} rows, got the shape {shape}")
