"""Joins the work of concurrent requests to batches for one model; knows neither ONNX nor HTTP.

A batch starts the moment a runner is free, with whatever is queued then: a lone request never
waits for others, and the busier the model, the larger its batches. Nothing polls. A thread that
brings work to an idle model runs it itself, because handing it to another thread costs more than
a small model takes; what comes in the meantime is queued and run by threads of our own.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from modelserver.admission import Admission
from modelserver.calls import Arrays, Call, Part, hand_out, join
from modelserver.errors import DeadlineExceeded
from modelserver.pace import Load, Pace


class Batcher:
    """The queue and the runners of one model.

    Args:
        run: scores a batch of so many rows, until a deadline at most; called from several threads
            when there are several runners.
        max_batch_rows: most rows of a batch.
        max_queue_rows: most rows that may wait.
        instances: runners, which is how many batches run at a time.
        max_delay_seconds: how long a batch that is not full waits for more.
        clock: seconds that only grow.
        spawn: starts a thread for a function that ends at `close`.
    """

    def __init__(
        self,
        run: Callable[[Arrays, int, float], Arrays],
        *,
        max_batch_rows: int,
        max_queue_rows: int,
        instances: int = 1,
        max_delay_seconds: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
        spawn: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._run = run
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._max_delay_seconds = max_delay_seconds
        self._instances = self._free = instances
        self._clock = clock
        self._spawn = spawn or _start_thread
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._queue: deque[Part] = deque()
        self._queue_rows = 0
        self._owed = False  # somebody relies on others to run what is queued; only if some is
        self._threads = 0
        self._closed = False
        self._running_rows = 0
        self._pace = Pace()
        self._admission = Admission(self._pace, max_batch_rows, max_queue_rows, instances)
        self._load = Load(instances)
        self.watch: Callable[[int, float], object] = lambda rows, seconds: None
        """Told the rows and seconds of each batch."""

    @property
    def queue_rows(self) -> int:
        """Rows that wait."""
        return self._queue_rows

    @property
    def saturation(self) -> float:
        """How much of what it could do the model does: 0 to 1, 1 also when the queue is full."""
        waiting = min(1.0, self._queue_rows / self._max_queue_rows)
        return max(waiting, self._load.read(self._clock()))

    @property
    def is_quick(self) -> bool:
        """Whether what is queued, and a row more, takes so little that an event loop may wait.

        A model that runs at the moment is not quick, for nobody knows how long that still takes.
        """
        return self._free > 0 and self.will_be_quick

    @property
    def will_be_quick(self) -> bool:
        """Whether it is quick once its present runs have ended; not when batches wait for more."""
        rows = min(self._queue_rows + 1, self._max_batch_rows)
        return not self._max_delay_seconds and self._pace.is_quick(rows, self._max_batch_rows)

    def check_room(self, deadline: float, rows: int = 1) -> None:
        """Refuse work that would wait in vain; raises as Admission.check."""
        left = deadline - self._clock()
        self._admission.check(rows, self._queue_rows, self._running_rows, left)

    def submit(self, call: Call) -> None:
        """Queue a call; whoever submits it must `run` it or `wake` a thread for it.

        Raises:
            DeadlineExceeded: no time is left.
            Overloaded: the queue is full, or the work before it takes too long.
        """
        with self._lock:
            rows = call.rows
            self.check_room(call.deadline, rows)
            call.queued = self._clock()
            for part in call.parts:
                part.call = call
            self._queue.extend(call.parts)
            self._queue_rows += rows

    def run(self, call: Call) -> None:
        """Run batches in this thread until the call is done; leave it to others if they run one."""
        while not call.done and self._run_next():
            pass

    def wake(self) -> None:
        """Have a thread of our own run what is queued."""
        with self._lock:
            if self._queue:
                self._wake()

    def when_done(self, call: Call, callback: Callable[[], object]) -> None:
        """Have a function called once, in any thread, when the call is done; at once if it is."""
        with self._lock:
            if not call.done:
                call.callback = callback
                return
        callback()

    def give_up(self, call: Call, error: Exception) -> None:
        """End a call with an error unless it is done; what is queued of it does not run."""
        with self._lock:
            if call.done:
                return
            call.end(error, self._clock())
            self._forget_ended()
        _notify([call])

    def close(self) -> None:
        """End the threads once nothing is queued."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _wake(self) -> None:
        """Leave the queue to a thread of ours, started at the first need; holds the lock."""
        self._owed = True
        if self._threads < self._instances:
            self._threads += 1
            self._spawn(self._work)
        self._changed.notify()

    def _work(self) -> None:
        """Run batches as long as the model is served."""
        while True:
            with self._lock:
                while not (self._owed and self._free and self._due() <= 0):
                    if self._closed and not self._queue:
                        self._threads -= 1
                        return
                    self._changed.wait(self._due() if self._owed and self._free else None)
            self._run_next()

    def _due(self) -> float:
        """Seconds until the queue is worth a batch; holds the lock."""
        if not self._max_delay_seconds or self._queue_rows >= self._max_batch_rows:
            return 0.0
        return self._queue[0].call.queued + self._max_delay_seconds - self._clock()

    def _run_next(self) -> bool:
        """Run one batch; False when there is none or no runner is free."""
        with self._lock:
            if not self._queue:
                return False
            if not self._free or self._due() > 0:
                self._owed = True
                if self._free:
                    self._wake()
                return False
            batch, rows, dropped = self._take()
            self._free -= bool(batch)
            self._running_rows += rows
            if self._queue and self._free:  # whose caller may be in this thread, as with large ones
                self._wake()
        _notify(dropped)
        if batch:
            self._run_batch(batch, rows)
        return True

    def _take(self) -> tuple[list[Part], int, list[Call]]:
        """Take the oldest part, what can join it and calls not worth running; holds the lock.

        Returns:
            The parts, their rows, and the calls.
        """
        now = self._clock()
        batch: list[Part] = []
        others: list[Part] = []
        dropped: list[Call] = []
        rows = 0
        while self._queue and rows < self._max_batch_rows:
            part = self._queue[0]
            call = part.call
            joins = not batch or (part.key is not None and part.key == batch[0].key)
            if call.done:
                pass
            elif error := call.no_use(now):
                call.end(error, now)
                dropped.append(call)
            elif not joins:
                others.append(self._queue.popleft())
                continue
            elif rows + part.rows > self._max_batch_rows:
                break
            else:
                call.started = call.started or now
                batch.append(part)
                rows += part.rows
            self._queue.popleft()
            self._queue_rows -= part.rows
        self._queue.extendleft(reversed(others))
        if dropped:
            self._forget_ended()
        else:
            self._note_rest()
        return batch, rows, dropped

    def _forget_ended(self) -> None:
        """Unqueue what calls that ended early left: nobody may come for it; holds the lock."""
        self._queue = deque([part for part in self._queue if not part.call.done])
        self._queue_rows = sum([part.rows for part in self._queue])
        self._note_rest()

    def _note_rest(self) -> None:
        """Parts have left the queue; threads of ours may end by that; holds the lock."""
        if not self._queue:
            self._owed = False
            if self._closed:
                self._changed.notify_all()

    def _run_batch(self, batch: list[Part], rows: int) -> None:
        started = self._clock()
        errors = self._run_parts(batch, rows)
        ended = self._clock()
        with self._lock:
            self._pace.observe(rows, ended - started)
            full = self._pace.predict(self._max_batch_rows, self._max_batch_rows)
            self._load.add(full * rows / self._max_batch_rows, ended)
            self._free += 1
            self._running_rows -= rows
            done = [part.call for part in batch if self._settle(part, errors.get(part), ended)]
            if errors:
                self._forget_ended()
            if self._queue and self._owed:
                self._wake()
        _notify(done)
        self.watch(rows, ended - started)

    def _settle(self, part: Part, error: Exception | None, ended: float) -> bool:
        """Count a part that ran; True when its call is done by that; holds the lock."""
        call = part.call
        if call.done:
            return False
        call.left -= 1
        if call.left and not error:
            return False
        call.end(error, ended)
        return True

    def _run_parts(self, batch: list[Part], rows: int) -> Mapping[Part, Exception]:
        """Run a batch and give each part its outputs; returns the errors of those that have none.

        When a batch of several fails, each is run alone, so that only the guilty one fails. A run
        goes on as long as anybody waits for it.
        """
        deadline = max([part.call.deadline for part in batch])
        try:
            outputs = self._run(join(batch), rows, deadline)
        except DeadlineExceeded as error:
            return dict.fromkeys(batch, error)
        except Exception as error:
            if len(batch) == 1:
                return {batch[0]: error}
            errors: dict[Part, Exception] = {}
            for part in batch:
                errors.update(self._run_parts([part], part.rows))
            return errors
        hand_out(batch, outputs)
        return {}


def _notify(calls: Sequence[Call]) -> None:
    for call in calls:
        if call.callback:
            call.callback()


def _start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="batches", daemon=True).start()
