"""Decides which work may wait for a model: none that would wait in vain."""

import math
from dataclasses import dataclass

from modelserver.calls import too_late
from modelserver.errors import Overloaded
from modelserver.pace import Pace

_USABLE = 0.7
"""Share of a request's time that may be spent by plan. Under overload the queue is always as long
as is allowed; were that all of the time, every second answer would be a moment late, for no run
takes exactly what the model's pace says."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The limits of one model's queue.

    Args:
        pace: what the model's runs have taken.
        max_batch_rows: most rows of a batch.
        max_queue_rows: most rows that may wait.
        instances: how many batches run at a time.
    """

    pace: Pace
    max_batch_rows: int
    max_queue_rows: int
    instances: int

    def check(self, rows: int, queued: int, running: int, left: float) -> None:
        """Refuse work that finds the queue full, or would not be done in time.

        An idle model takes anything: its pace may be wrong, and only a run can mend it.

        Args:
            rows: how many want to come in.
            queued: rows that wait.
            running: rows that are being run.
            left: seconds until nobody waits for the answer.

        Raises:
            DeadlineExceeded: no time is left.
            Overloaded: there is no room, or the work before it takes too long.
        """
        if left <= 0:
            raise too_late()
        if not queued and not running:
            return
        before = self.pace.predict(queued + running, self.max_batch_rows) / self.instances
        retry_after = max(1, math.ceil(before))
        if queued and queued + rows > self.max_queue_rows:
            raise Overloaded(
                f"the model has {queued} rows waiting, at most {self.max_queue_rows} may; "
                "try again",
                retry_after,
            )
        needed = before + self.pace.predict(rows, self.max_batch_rows)
        if needed > left * _USABLE:
            raise Overloaded(
                f"the model is so busy that this takes {needed:.3g} s, the request allows "
                f"{left:.3g} s; try again",
                retry_after,
            )
