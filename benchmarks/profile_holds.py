"""Does a server started with the values that `profile` wrote do what was predicted?

    python benchmarks/profile_holds.py build/demo/javascript-faq/1 --goal 50

Runs `python -m modelserver profile`, reads the settings back from the values file, starts a new
server with them and has as many callers as at the knee ask it again, several times. Prints what
was predicted beside what was reached: p99 holds when the usual one is not above the predicted one,
which is the largest of the confirming runs.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe_machine

from modelserver.artefact import Artefact
from modelserver.profiling.load import Measurement, golden_request, measure
from modelserver.profiling.trial import Trial

KNEE = re.compile(r"At the knee: (\d+) callers at a time, (\d+) requests a second,\n# p99 ([\d.]+)")
SETTING = re.compile(r"^  (\w+): (\S+)$", re.MULTILINE)


def snake(name: str) -> str:
    """The server's name of a setting that the chart writes in camel case."""
    return re.sub("([A-Z])", lambda match: f"_{match[1].lower()}", name)


def settings_of(values: str) -> dict[str, object]:
    """The block `server:` of a values file."""
    block = values.partition("server:\n")[2].partition("model:\n")[0]
    return {snake(name): value for name, value in SETTING.findall(block)}


def again(artefact: Artefact, values: str, callers: int, repeats: int) -> list[Measurement]:
    """Measure a server with the settings of a values file."""
    request = golden_request(artefact)
    with Trial(artefact.folder, settings_of(values)) as trial:
        return [measure(*trial.address, request, callers, 2.0, 0.5) for _ in range(repeats)]


def main() -> None:
    """Profile, start again, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artefacts", nargs="+", type=Path)
    parser.add_argument("--goal", default="100", help="p99 in milliseconds [100]")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("| model | callers | predicted/s, p99 ms | reached/s, p99 ms (medians) | reached | p99 |")
    print("|---|---|---|---|---|---|")
    for folder in arguments.artefacts:
        with tempfile.TemporaryDirectory() as out:
            files = ["--values", f"{out}/values.yaml", "--drawing", f"{out}/p.svg"]
            command = [sys.executable, "-m", "modelserver", "profile", "--models", str(folder)]
            subprocess.run([*command, "--goal", arguments.goal, *files], check=True)
            values = Path(out, "values.yaml").read_text()
        found = KNEE.search(values)
        assert found
        callers, rate, p99 = int(found[1]), float(found[2]), float(found[3])
        artefact = Artefact.open(folder)
        loads = again(artefact, values, callers, arguments.repeats)
        got = statistics.median(load.requests_per_second for load in loads)
        late = statistics.median(load.p99_seconds for load in loads) * 1000
        cells = [
            *(artefact.manifest.name, str(callers), f"{rate:.0f}, {p99:.1f}"),
            *(f"{got:.0f}, {late:.1f}", f"{got / rate:.0%}", f"{late / p99:.0%}"),
        ]
        print("| " + " | ".join(cells) + " |")
    print(f"\n{describe_machine('onnxruntime', 'waitress')}")


if __name__ == "__main__":
    main()
