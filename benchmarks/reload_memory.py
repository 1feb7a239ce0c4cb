"""What reloading a model many times does to the memory of the server.

    python benchmarks/reload_memory.py [--reloads 50] [--megabytes 20]

Two ways: new files under the same version, which are loaded beside the old ones and replace them;
and unload, then load. A request is answered between each two. Exit code 1 when the memory after the
last reload is more than 10 % above that before the first.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from machine import describe_machine
from versions import MODEL, Server, publish_version

_ALLOWED = 1.10
_WARM_REQUESTS = 200


def measure(way: str, reloads: int, megabytes: float) -> list[tuple[int, float]]:
    """Reload a model; returns (reloads done, resident megabytes) at the start and ten times."""
    with tempfile.TemporaryDirectory() as folder:
        artefact = publish_version(Path(folder), 1, megabytes)
        with Server(Path(folder)) as server:
            for value in range(_WARM_REQUESTS):
                server.ask(value)
            found = [(0, server.resident_megabytes())]
            for done in range(1, reloads + 1):
                if way == "replace":
                    os.utime(artefact / "manifest.json", ns=(done, done))
                else:
                    server.order("unload")
                server.order("load")
                server.await_freed()
                if server.ask(done)["predictions"] != [done]:
                    raise SystemExit(f"{MODEL} answered wrong")
                if not done % max(1, reloads // 10):
                    found.append((done, server.resident_megabytes()))
    return found


def main() -> int:
    """Measure both ways and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reloads", type=int, default=50, help="how often [50]")
    parser.add_argument("--megabytes", type=float, default=20, help="weights of the model [20]")
    given = parser.parse_args()
    code = 0
    print("| way | reloads | resident at the start, MB | most on the way | at the end | ratio |")
    print("|---|---|---|---|---|---|")
    for way in ("replace", "unload and load"):
        found = measure(way, given.reloads, given.megabytes)
        (_, first), *rest = found
        last = rest[-1][1]
        most = max(megabytes for _, megabytes in rest)
        print(
            f"| {way} | {given.reloads} | {first:.1f} | {most:.1f} | {last:.1f} "
            f"| {last / first:.3f} |"
        )
        code |= last > first * _ALLOWED
    print(f"\nModel of {given.megabytes:g} MB. {describe_machine('onnxruntime')}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
