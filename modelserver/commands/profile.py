"""Measure a model on this machine and write the Helm values that run it well.

Starts real servers with one set of settings after the other (HTTP server, threads of the model,
rows of a batch), has more and more callers send the model's golden request, and finds the knee: the
most requests a second whose 99th percentile stays within a goal. The knee is then measured again,
five times: its throughput is the median of these runs, its p99 the largest. Run it on the kind of
machine that will serve, and leave that machine alone meanwhile: callers and server share its
processors.

Example:
    python -m modelserver profile --models models/javascript-faq/1 --p99-milliseconds 50
"""

import argparse
import platform
import sys
from pathlib import Path

from modelserver import __version__
from modelserver.artefact import Artefact
from modelserver.artefact_folders import find_artefacts
from modelserver.cpu import available_cpus
from modelserver.errors import ArtefactError
from modelserver.profiling.confirmation import RUNS, confirm_knee, measure_again
from modelserver.profiling.drawing import describe, draw
from modelserver.profiling.grid import CALLERS, Point, candidates, explore
from modelserver.profiling.load import golden_request
from modelserver.profiling.trial import TrialFailed
from modelserver.profiling.values import helm_values

EXIT_OK, EXIT_FAILED = 0, 1
_BAR = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--models", metavar="DIR", type=Path, required=True, help="the artefact")
    parser.add_argument(
        *("--p99-milliseconds", "--goal"),
        metavar="MS",
        dest="goal",
        type=float,
        default=100.0,
        help="99 of 100 answers must come sooner [100]",
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="for each measurement, after a warm-up [2]"
    )
    for flag, name, what in (
        ("--values", "profile-values.yaml", "where the Helm values go"),
        ("--drawing", "profile.svg", "where the picture goes"),
    ):
        parser.add_argument(
            flag, metavar="FILE", type=Path, default=Path(name), help=f"{what} [{name}]"
        )


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the files and return the exit code."""
    goal = arguments.goal / 1000
    try:
        artefact = _only(arguments.models)
        request = golden_request(artefact)
        points = _measure_all(artefact, request, arguments.seconds)
        knee, points = _confirm(artefact, request, points, goal, arguments.seconds)
    except (ArtefactError, TrialFailed, ConnectionError) as error:
        sys.stderr.write(f"\nmodelserver profile: {error}\n")
        return EXIT_FAILED
    title = f"{artefact.manifest.name} version {artefact.manifest.version}"
    arguments.drawing.write_text(draw(points, knee, goal, title))
    if knee is None:
        least = min(point.load.p99_seconds for point in points) * 1000
        sys.stderr.write(
            f"modelserver profile: no measurement reached a p99 of {arguments.goal:g} ms without "
            f"refusals; the lowest p99 was {least:.1f} ms, see {arguments.drawing}\n"
        )
        return EXIT_FAILED
    machine = f"{platform.machine()}, {available_cpus()} CPUs, Python {platform.python_version()}"
    measured = f"{title}, modelserver {__version__}, {machine}"
    arguments.values.write_text(helm_values(knee, goal, measured))
    sys.stdout.write(
        f"Knee      {describe(knee)}\n"
        f"          {knee.load.callers} callers at a time, {RUNS} runs: {_summary(knee)} at most\n"
        f"Values    {arguments.values}\n"
        f"Drawing   {arguments.drawing}\n"
        f"Next      helm upgrade --install NAME charts/scoring -f VALUES -f {arguments.values}\n"
    )
    return EXIT_OK


def _only(models: Path) -> Artefact:
    folders = find_artefacts(models)
    if len(folders) > 1:
        raise ArtefactError(
            f"{models}: holds {len(folders)} artefacts; name one of them, such as {folders[0]}"
        )
    return Artefact.open(folders[0])


def _measure_all(artefact: Artefact, request: bytes, seconds: float) -> list[Point]:
    """Try every candidate with every number of callers."""
    choices = candidates(available_cpus(), artefact.manifest.batching.get("max_batch_rows", 0))
    total = len(choices) * len(CALLERS)
    points: list[Point] = []
    for settings in choices:
        for point in explore(artefact.folder, settings, request, seconds, CALLERS):
            points.append(point)
            _show_progress(point, _BAR * len(points) // total)
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    if not any(point.load.requests_per_second or point.load.refused for point in points):
        raise TrialFailed(f"no answer came in {seconds:g} s; give more --seconds")
    return points


def _show_progress(point: Point, done: int) -> None:
    """Draw so much of the bar, and what was measured last."""
    bar = "#" * done + "." * (_BAR - done)
    text = f"{describe(point)}, {point.load.callers} callers: {_summary(point)}"
    end = "\r" if sys.stderr.isatty() else "\n"
    sys.stderr.write(f"[{bar}] {text:<110}{end}")
    sys.stderr.flush()


def _confirm(
    artefact: Artefact, request: bytes, points: list[Point], goal: float, seconds: float
) -> tuple[Point | None, list[Point]]:
    """Choose the knee and measure it again."""

    def again(knee: Point) -> Point:
        name = f"{describe(knee)}, {knee.load.callers} callers"
        sys.stderr.write(f"Confirming {name}\n")
        found = measure_again(artefact.folder, knee, request, seconds)
        sys.stderr.write(f"Confirmed  {name}: {_summary(found)} at most\n")
        return found

    return confirm_knee(points, goal, again)


def _summary(point: Point) -> str:
    load = point.load
    refused = f", {load.refused} refused" if load.refused else ""
    return (
        f"{load.requests_per_second:.0f} requests a second, p50 {load.p50_seconds * 1000:.1f} ms, "
        f"p99 {load.p99_seconds * 1000:.1f} ms{refused}"
    )
