"""How long one question takes: our served graph against the reference method, and as FAQs grow.

    python benchmarks/faq_latency.py [--sizes 182 2000 20000] [--trees 2000] [--output FILE]

The first size is measured against the reference method (two TF-IDFs, LightGBM on pairs), which is
trained here on the same texts; both answer the same questions in turn, in one run, on one thread.
The FAQs are those of the reference implementation when its list is beside the project, and made of
random words otherwise; larger lists are always made of random words. Memory is that of a fresh
process which loads the model and answers the questions.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from lightgbm import LGBMClassifier
from machine import describe_machine
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from converters.faq.graph import export_faq_model
from converters.faq.records import Duplicate, Faq, FaqData, read_faq_data
from converters.faq.training import fit
from modelserver.runtime import OnnxModel

SHARED = Path(__file__).resolve().parent.parent.parent / "shared/data/faq/seed_182/questions.tsv"
DUPLICATES_EACH = 5
WORDS_IN_FAQ, WORDS_IN_QUESTION = 70, 80  # about 413 and 480 characters, as in the reference
CANDIDATES = 20


def main() -> int:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[182, 2_000, 20_000])
    parser.add_argument("--trees", type=int, default=2_000, help="of the reference method")
    parser.add_argument("--repeats", type=int, default=30, help="questions timed")
    parser.add_argument("--output", default="build/faq_latency.json")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        print(json.dumps(measure_memory(arguments.load, json.load(sys.stdin))))
        return 0
    if arguments.one:
        first = arguments.one == arguments.sizes[0]
        print(
            json.dumps(measure(arguments.one, arguments.repeats, arguments.trees if first else 0))
        )
        return 0
    runs = [run_alone(size, arguments) for size in arguments.sizes]
    result = {"machine": describe_machine("scikit-learn", "lightgbm", "onnxruntime"), "runs": runs}
    path = Path(arguments.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(markdown(result))
    return 0


def run_alone(size: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Measure one size in a process of its own."""
    command = [sys.executable, __file__, "--one", str(size), "--trees", str(arguments.trees)]
    command += ["--repeats", str(arguments.repeats), "--sizes", *map(str, arguments.sizes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(size: int, repeats: int, trees: int) -> dict[str, float]:
    """Train, export, load and time one size; `trees` 0 leaves the reference method out."""
    random = np.random.default_rng(0)
    data, questions = make_data(size, repeats, random)
    reference = train_reference(data, trees, random) if trees else None
    started = time.perf_counter()
    model = export_faq_model(fit(data).pipeline)
    trained = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        size_mb = path.stat().st_size / 1e6
        del model
        served = OnnxModel(path, threads=1)
        memory = load_alone(path, questions)

    def ask(question: str) -> None:
        served.run({"question": np.array([question], dtype=object)})

    contestants = {"served_ms": ask} | ({"reference_ms": reference} if reference else {})
    times = time_in_turn(contestants, questions)
    return {
        "faqs": size,
        "train_seconds": trained,
        "file_mb": size_mb,
        **memory,
        **times,
    }


def load_alone(path: Path, questions: Sequence[str]) -> dict[str, float]:
    """Measure the memory of a model in a process that has done nothing else."""
    done = subprocess.run(
        [sys.executable, __file__, "--load", str(path)],
        input=json.dumps(questions),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_memory(path: Path, questions: Sequence[str]) -> dict[str, float]:
    """What a model adds to this process by being loaded, and after it has answered questions."""
    before = resident_mb()
    served = OnnxModel(path, threads=1)
    loaded = resident_mb()
    for question in questions:
        served.run({"question": np.array([question], dtype=object)})
    return {"load_mb": loaded - before, "serve_mb": resident_mb() - before}


def make_data(size: int, questions: int, random: np.random.Generator) -> tuple[FaqData, list[str]]:
    """Make FAQs with duplicates, and questions about them."""
    if size == 182 and SHARED.exists():
        faqs = list(read_faq_data(str(SHARED)).faqs)
    else:
        faqs = [
            Faq(number, number, f"FAQ {number}", text)
            for number, text in enumerate(random_texts(size, random))
        ]
    each = DUPLICATES_EACH if size <= 2_000 else 0
    duplicates = [
        Duplicate(f"{faq.id}-{n}", shuffled(faq.text, WORDS_IN_QUESTION, random), (faq.id,))
        for faq in faqs
        for n in range(each)
    ]
    chosen = random.integers(0, len(faqs), questions)
    return (
        FaqData(faqs, duplicates),
        [shuffled(faqs[i].text, WORDS_IN_QUESTION, random) for i in chosen],
    )


def random_texts(count: int, random: np.random.Generator) -> list[str]:
    """Texts of made-up words whose frequencies fall as in real language (Zipf's law)."""
    syllables = [c + v for c in "bcdfghjklmnprstvw" for v in ("a", "e", "i", "o", "u", "er", "on")]
    words = ["".join(random.choice(syllables, random.integers(1, 5))) for _ in range(20_000)]
    ranks = np.arange(1, len(words) + 1)
    chances = (1 / ranks) / np.sum(1 / ranks)
    picks = random.choice(len(words), (count, WORDS_IN_FAQ), p=chances)
    return [" ".join(words[i] for i in row) for row in picks]


def shuffled(text: str, words: int, random: np.random.Generator) -> str:
    """A question about a text: some of its words, in another order."""
    return " ".join(random.choice(text.split(), words))


def train_reference(
    data: FaqData, trees: int, random: np.random.Generator
) -> Callable[[str], None]:
    """Train the reference method; returns what it does with one question."""
    asked = [one.text for one in data.duplicates]
    known = [faq.text for faq in data.faqs]
    places = {faq.id: number for number, faq in enumerate(data.faqs)}
    left, right, marks = [], [], []
    for number, one in enumerate(data.duplicates):
        own = places[one.duplicate_of[0]]
        others = random.choice(len(known), CANDIDATES - 1, replace=False)
        left += [number] * CANDIDATES
        right += [own, *others]
        marks += [1] + [0] * (CANDIDATES - 1)
    asked_terms, known_terms = TfidfVectorizer().fit(asked), TfidfVectorizer().fit(known)
    pairs = sparse.hstack(
        [asked_terms.transform(asked)[left], known_terms.transform(known)[right]], format="csr"
    )
    print(f"training the reference method: {trees} trees ...", file=sys.stderr)
    classifier = LGBMClassifier(n_estimators=trees, verbose=-1, n_jobs=1, random_state=0)
    classifier.fit(pairs, np.array(marks))
    booster = classifier.booster_

    def ask(question: str) -> None:
        # As the reference does: the question once for each FAQ, and every FAQ vectorised again.
        both = [asked_terms.transform([question] * len(known)), known_terms.transform(known)]
        booster.predict(sparse.hstack(both, format="csr"), num_threads=1)

    return ask


def time_in_turn(
    contestants: dict[str, Callable[[str], None]], questions: Sequence[str]
) -> dict[str, float]:
    """Ask every contestant each question, one after the other; medians in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for question in questions[:3]:  # warm-up
        for ask in contestants.values():
            ask(question)
    for question in questions:
        for name, ask in contestants.items():
            started = time.perf_counter()
            ask(question)
            times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def resident_mb() -> float:
    """Resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def markdown(result: dict) -> str:
    """The table for docs/benchmarks.md."""
    lines = [
        "| FAQs | one question, served | reference method | ratio | model.onnx | memory to load | "
        "memory after serving | train and export |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        reference = run.get("reference_ms")
        against = f"{reference:.0f} ms" if reference else ""
        ratio = f"{reference / run['served_ms']:.0f}x" if reference else ""
        lines.append(
            f"| {run['faqs']:,} | {run['served_ms']:.2f} ms | {against} | {ratio} | "
            f"{run['file_mb']:.1f} MB | {run['load_mb']:.0f} MB | {run['serve_mb']:.0f} MB | "
            f"{run['train_seconds']:.0f} s |"
        )
    return "\n".join([*lines, "", f"Medians on one thread. {result['machine']}"])


if __name__ == "__main__":
    sys.exit(main())
