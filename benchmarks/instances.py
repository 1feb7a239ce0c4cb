"""How to divide the CPUs of a server: between instances, threads of a run, and workers.

    python benchmarks/instances.py [ARTEFACT ...] [--seconds N] [--rounds N]

Every way is a real server with its default settings otherwise, so batches form as they do in
production. All servers of a model are up at the same time and take turns under load, round after
round; the table has medians. The callers share the CPUs with the server, each waiting for its
answer before it asks again. Without artefacts three are measured: a network of three convolutions
with random weights, MobileNetV2 where the data beside the project has it, and the JavaScript FAQ.
Images are sent as a JPEG body, anything else as the golden request of the artefact.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from image_overhead import make_photo, publish_stand_in
from machine import describe_machine

from modelserver.artefact import Artefact
from modelserver.cpu import available_cpus
from modelserver.profiling.load import Measurement, golden_request, measure, predict_request
from modelserver.profiling.trial import Trial

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
from models import NETWORK, make_models

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / "build" / "peers"
CLIENTS = (1, 8, 32)
WARM_UP_SECONDS = 0.5

Way = tuple[int, int, int]
"""Workers, instances of each, threads of each instance."""


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artefacts", nargs="*", type=Path, help="folders; default: three models")
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--rounds", type=int, default=5, help="of every way")
    arguments = parser.parse_args()
    print("| model | workers x instances x threads | requests/s at 1 / 8 / 32 clients | p99 ms |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for artefact in arguments.artefacts or default_models(Path(folder)):
            opened = Artefact.open(artefact)
            found = compare(opened, arguments.seconds, arguments.rounds)
            print("\n".join(rows(opened.manifest.name, found)), flush=True)
    about = f"Medians of {arguments.rounds} rounds of {arguments.seconds:g} s."
    print(f"\n{about} {describe_machine('onnxruntime', 'waitress')}")
    return 0


def default_models(folder: Path) -> list[Path]:
    """The models to measure; says which one is left out, and why."""
    made = make_models(MADE, ("image", "text"))
    if "image" not in made:
        print(f"without MobileNetV2: there is no {NETWORK}", file=sys.stderr)
    return [publish_stand_in(folder), *made.values()]


def ways(cpus: int) -> list[Way]:
    """One CPU's worth, every even division of the CPUs, and as many of both as there are CPUs."""
    divisions = [(1, k, cpus // k) for k in range(1, cpus + 1) if cpus % k == 0]
    return list(dict.fromkeys([(1, 1, 1), *divisions, (1, cpus, cpus), (cpus, 1, 1)]))


def compare(artefact: Artefact, seconds: float, rounds: int) -> dict[Way, list[list[Measurement]]]:
    """Load the servers in turn; for each way and number of clients the measurements."""
    tried = ways(available_cpus())
    request = request_for(artefact)
    found: dict[Way, list[list[Measurement]]] = {way: [[] for _ in CLIENTS] for way in tried}
    with ExitStack() as running:
        servers = {
            way: running.enter_context(Trial(artefact.folder, settings(way))) for way in tried
        }
        for number in range(rounds):
            for place, clients in enumerate(CLIENTS):
                for way, server in servers.items():
                    load = measure(*server.address, request, clients, seconds, WARM_UP_SECONDS)
                    if load.refused:
                        raise SystemExit(f"{way}: {load.refused} requests were refused")
                    found[way][place].append(load)
            print(f"{artefact.manifest.name}: round {number + 1} of {rounds}", file=sys.stderr)
    return found


def settings(way: Way) -> dict[str, object]:
    """The settings of a server."""
    workers, instances, threads = way
    return {
        "device": "cpu",
        "workers": workers,
        "instances": instances,
        "model_threads": threads,
    }


def request_for(artefact: Artefact) -> bytes:
    """What every caller sends, as it goes over the wire."""
    if artefact.manifest.task != "image-classification":
        return golden_request(artefact)
    return predict_request(artefact, "image/jpeg", make_photo())


def rows(name: str, found: dict[Way, list[list[Measurement]]]) -> list[str]:
    """The lines of the table for one model."""
    lines = []
    for way, loads in found.items():
        rates = [f"{median(runs, 'requests_per_second'):,.0f}" for runs in loads]
        tails = [f"{1000 * median(runs, 'p99_seconds'):,.1f}" for runs in loads]
        cells = [name, " x ".join(map(str, way)), " / ".join(rates), " / ".join(tails)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def median(runs: Sequence[Measurement], field: str) -> float:
    """The usual value of a field."""
    return statistics.median(getattr(run, field) for run in runs)


if __name__ == "__main__":
    sys.exit(main())
