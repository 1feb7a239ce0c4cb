"""Accuracy of FAQ matching: the reference implementation's method, cosine baselines, and ours.

Every method sees the same seeded splits. From the project's root, in its environment:

    python benchmarks/faq_accuracy.py --seeds 3

Prints a Markdown table and writes all numbers to a JSON file, after every split. The reference
method takes minutes for each data set and seed; --trees 100 shows the order of things sooner, and
--resume goes on where an earlier run was ended.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from faq_datasets import DATASETS, is_present
from faq_methods import METHODS, WITH_ANSWERS, Options
from machine import describe_machine

from converters.faq.metrics import TIE_RULE, mark_right, rank_right, summarise_ranks

_COLUMNS = ("accuracy@1", "accuracy@2", "accuracy@3", "accuracy@10", "mrr")
_LIBRARIES = ("lightgbm", "numpy", "scikit-learn", "scipy")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--trees", type=int, default=2000, help="of the reference method")
    parser.add_argument("--jobs", type=int, default=1, help="threads of the reference method")
    parser.add_argument("--methods", nargs="+", metavar="PREFIX", help="only methods so named")
    parser.add_argument("--output", default="build/faq_accuracy.json", metavar="FILE")
    parser.add_argument(
        "--resume", action="store_true", help="keep the splits that the output file holds already"
    )
    arguments = parser.parse_args()

    path = Path(arguments.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = json.loads(path.read_text())["runs"] if arguments.resume and path.exists() else []
    result = {
        "machine": describe_machine(*_LIBRARIES),
        "ties": TIE_RULE,
        "trees": arguments.trees,
        "runs": runs,
    }
    done = {(run["dataset"], run["seed"]) for run in runs}
    for dataset in arguments.datasets:
        if not is_present(dataset):
            print(f"{dataset}: left out, its files are not here", file=sys.stderr)
            continue
        for seed in range(arguments.seeds):
            if (dataset, seed) not in done:
                runs += run_split(dataset, seed, arguments)
                path.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    return 0


def run_split(dataset: str, seed: int, arguments: argparse.Namespace) -> list[dict]:
    """Let every method rank the questions of one split."""
    train, test = DATASETS[dataset](seed)
    questions = [one.text for one in test.duplicates]
    right = mark_right([faq.id for faq in test.faqs], [one.duplicate_of for one in test.duplicates])
    methods = METHODS | (WITH_ANSWERS if any(faq.answer for faq in train.faqs) else {})
    options = Options(seed, arguments.trees, arguments.jobs)
    runs = []
    for name, method in methods.items():
        if arguments.methods and not name.startswith(tuple(arguments.methods)):
            continue
        start = time.perf_counter()
        scores = method(train, questions, options)
        runs.append(
            {
                "dataset": dataset,
                "seed": seed,
                "method": name,
                "faqs": len(train.faqs),
                "train": len(train.duplicates),
                "test": len(questions),
                "seconds": time.perf_counter() - start,
                **summarise_ranks(rank_right(scores, right)),
            }
        )
        one = runs[-1]
        print(
            f"{dataset} seed {seed}: {name}: @1 {one['accuracy@1']:.3f}, {one['seconds']:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return runs


def markdown(result: dict) -> str:
    """The table: mean over seeds, and the standard deviation where there are several."""
    lines = [
        "| data set | FAQs / learned from / asked | method | @1 | @2 | @3 | @10 | MRR | time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str], list[dict]] = {}
    for run in result["runs"]:
        groups.setdefault((run["dataset"], run["method"]), []).append(run)
    for (dataset, method), runs in groups.items():
        sizes = " / ".join(str(runs[0][name]) for name in ("faqs", "train", "test"))
        cells = [_mean([100 * run[name] for run in runs]) for name in _COLUMNS]
        seconds = np.mean([run["seconds"] for run in runs])
        lines.append(f"| {dataset} | {sizes} | {method} | {' | '.join(cells)} | {seconds:.0f} s |")
    seeds = len({run["seed"] for run in result["runs"]})
    lines += ["", f"Percent, mean ± standard deviation over {seeds} seeds. {result['machine']}"]
    return "\n".join(lines)


def _mean(values: list[float]) -> str:
    spread = f" ± {np.std(values):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"


if __name__ == "__main__":
    sys.exit(main())
