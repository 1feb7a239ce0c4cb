"""Export a fitted scikit-learn model: any pipeline or estimator, LightGBM's too.

Reads .skops files; pickles only when told to, since loading one runs whatever code it holds. The
sample shows which inputs the model takes and proves that the export answers like the original:
a CSV file with a header, JSON lines, or a .npy array. Text vectorizers are exported exactly, with
any n-grams, or refused by name. The artefact is served by the task `tensor`.

Examples:
    python -m converters sklearn churn.skops --sample customers.csv --name churn
    python -m converters sklearn topics.skops --sample questions.jsonl --inputs text:string \\
        --name topics --output models
"""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from converters.errors import UsageError
from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from converters.sample_files import read_sample
from converters.sklearn.graph import ConvertedModel, convert
from converters.sklearn.inputs import TYPES, Sample, make_sample, parse_declaration
from converters.sklearn.model_files import load_estimator
from modelserver.tasks.tensor import LABELS_NAME

NAME = "sklearn"
HELP = "export a fitted scikit-learn model"

_GOLDEN_ROWS = 3
_DEFAULT_TOLERANCE = 1e-5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", metavar="MODEL", help=".skops, .joblib or .pkl file")
    parser.add_argument(
        "--sample", required=True, metavar="FILE", help="rows to try: .csv, .jsonl or .npy"
    )
    parser.add_argument("--name", required=True, help="name under which the model is served")
    parser.add_argument(
        "--output", default="models", metavar="DIR", help="model repository (default: %(default)s)"
    )
    parser.add_argument("--version", type=int, help="version (default: the next free one)")
    parser.add_argument(
        "--inputs",
        nargs="+",
        default=[],
        metavar="NAME:TYPE",
        help=f"inputs of the served model, types {', '.join(TYPES)} (default: the columns that "
        "the model was fitted on, else all of the sample; numbers are float)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=_DEFAULT_TOLERANCE,
        help="largest difference from the original; outputs beyond 1 are allowed as much more as "
        "the largest of them is (default: %(default)s)",
    )
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="TYPE",
        help="a type in a skops file that you know; repeat it for more",
    )
    parser.add_argument(
        "--allow-pickle", action="store_true", help="load a pickle, which may run any code"
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert, publish, print the report, and return the exit code."""
    path = Path(arguments.model)
    place = Place.choose(arguments.output, arguments.name, arguments.version)
    declared = dict(map(parse_declaration, arguments.inputs))
    columns = read_sample(Path(arguments.sample))
    model, notes = load_estimator(path, arguments.allow_pickle, arguments.trust)
    sample = make_sample(model, columns, declared)
    converted = convert(model, sample)
    report = _report(path, model, sample, converted, notes)
    folder = publish(_publication(sample, converted, arguments.tolerance), place, report)
    print(report.to_text(), end="")
    print(f"\nNext:\n  {_next_command(arguments.output)}\n  {_request(folder, place)}")
    return 0


def _publication(sample: Sample, converted: ConvertedModel, tolerance: float) -> Publication:
    if not tolerance > 0:
        raise UsageError(f"--tolerance: expected a number above 0, got {tolerance}")
    instances = sample.instances()
    labels = converted.labels
    return Publication(
        task="tensor",
        onnx_model=converted.onnx_model.SerializeToString(),
        golden_request={"instances": instances[:_GOLDEN_ROWS]},
        examples=Examples(instances, converted.outputs, tolerance * _largest(converted.outputs)),
        files={} if labels is None else {LABELS_NAME: {"labels": labels}},
    )


def _largest(outputs: Mapping[str, np.ndarray]) -> float:
    """The largest number among the outputs, at least 1: float32 has seven digits, no more."""
    numbers = [abs(array).max() for array in outputs.values() if array.dtype.kind == "f"]
    return float(max(1.0, *numbers)) if numbers else 1.0


def _report(
    path: Path, model: Any, sample: Sample, converted: ConvertedModel, notes: Sequence[str]
) -> Report:
    report = Report(f"Converted {path.name}")
    steps = [type(step).__name__ for _, step in model.steps] if isinstance(model, Pipeline) else []
    facts: dict[str, Any] = {"type": type(model).__name__}
    if steps:
        facts["steps"] = ", ".join(steps)
    if converted.labels is not None:
        facts["classes"] = len(converted.labels)
    facts |= {f"note {number}": note for number, note in enumerate(notes, start=1)}
    report.section("Model", facts)
    report.table(
        "Inputs",
        [
            {"name": one.name, "type": one.type, "row shape": list(one.values.shape[1:])}
            for one in sample.inputs
        ],
    )
    report.table(
        "Outputs",
        [
            {"name": name, "row shape": list(array.shape[1:])}
            for name, array in converted.outputs.items()
        ],
    )
    return report


def _next_command(output: str) -> str:
    return f"python -m modelserver --models {shlex.quote(output)}"


def _request(folder: Path, place: Place) -> str:
    body = shlex.quote(f"@{folder / 'example/request.json'}")
    url = f"http://localhost:8080/v1/models/{place.name}:predict"
    return f"curl -s {url} -H 'Content-Type: application/json' -d {body}"
