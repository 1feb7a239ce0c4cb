"""Who runs a batch: the thread that brings work to an idle model, or always one of the batcher's.

    python benchmarks/batching.py [--seconds N] [--rounds N]

Clients in threads ask for one row each, over and over, without HTTP. The model is a matrix product
that takes some 50 microseconds for a row. Both ways take turns; the table has medians.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from machine import describe_machine

from modelserver.batching import Batcher
from modelserver.calls import Arrays, Call, Part

WIDTH = 256
CLIENTS = (1, 8, 32)
WEIGHTS = np.ones((WIDTH, WIDTH), np.float32)


def model(arrays: Arrays, rows: int, deadline: float) -> Arrays:
    """Run a batch [N, WIDTH]."""
    return {"y": arrays["x"] @ WEIGHTS}


def run_here(batcher: Batcher, call: Call) -> None:
    """The bringing thread runs the batch when the model is idle."""
    batcher.run(call)


def run_there(batcher: Batcher, call: Call) -> None:
    """A thread of the batcher runs every batch."""
    batcher.wake()


Way = Callable[[Batcher, Call], None]
WAYS: dict[str, Way] = {"the bringing thread": run_here, "always another thread": run_there}


def measure(way: Way, clients: int, seconds: float) -> tuple[float, float]:
    """Return calls a second and microseconds of processor time for each."""
    batcher = Batcher(model, max_batch_rows=32, max_queue_rows=1024)
    row = np.ones((1, WIDTH), np.float32)
    counts = [0] * clients
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        while time.perf_counter() < end:
            call = Call([Part({"x": row}, 1, "row")])
            batcher.submit(call)
            way(batcher, call)
            done = threading.Lock()
            done.acquire()
            batcher.when_done(call, done.release)
            done.acquire()
            counts[number] += 1

    used = time.process_time()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = time.process_time() - used
    batcher.close()
    return sum(counts) / seconds, used / sum(counts) * 1e6


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for clients in CLIENTS:
            for name, way in WAYS.items():
                result = measure(way, clients, arguments.seconds)
                found.setdefault((name, clients), []).append(result)
    print("| run by | clients | calls/s | processor µs each |\n|---|---|---|---|")
    for (name, clients), results in found.items():
        rate, cost = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"| {name} | {clients} | {rate:,.0f} | {cost:.0f} |")
    print(f"\n{describe_machine('numpy')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
