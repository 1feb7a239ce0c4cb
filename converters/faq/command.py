"""Train a FAQ model: a question in, the FAQs that answer it out.

Reads FAQs, questions that are known to ask the same (duplicates), and questions that no FAQ
answers (out of scope). Trains a scikit-learn pipeline, evaluates it on withheld questions, exports
it to ONNX, compares the two answer by answer, and writes an artefact.

Example:
    python -m converters faq --name javascript-faq --output models \\
        --faqs examples/javascript-faq/faqs.jsonl \\
        --duplicates examples/javascript-faq/duplicates.jsonl \\
        --out-of-scope examples/javascript-faq/out_of_scope.jsonl

FAQs can be added later, in seconds and without training:
    python -m converters faq add models/javascript-faq/1 --faqs new.jsonl

Files hold one JSON object a line: faqs {id, title, body, answer}, duplicates {id, title, body,
duplicate_of: [faq ids]}, out of scope {id, title, body}. A title or a body is enough; HTML is fine.
Files named .tsv or .tsv.gz are read as the reference implementation's tables.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters.errors import UsageError
from converters.faq import add_command as faq_add
from converters.faq.evaluation import evaluate
from converters.faq.publication import (
    DEFAULT_MAX_CHARACTERS,
    check_max_characters,
    publication_of,
)
from converters.faq.records import FaqData, read_faq_data
from converters.faq.split import split
from converters.faq.training import DEFAULT_KEPT_SHARE, FaqModel, fit, without_answers
from converters.publish import Place, publish
from converters.report import Report

NAME = "faq"
HELP = "train a FAQ model, or add FAQs to one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `faq`, and those of `faq add` in a sub-command of its own."""
    parser.add_argument("--faqs", metavar="FILE", help="the FAQs")
    parser.add_argument("--duplicates", metavar="FILE", help="questions that ask the same as a FAQ")
    parser.add_argument(
        "--out-of-scope", metavar="FILE", help="questions that no FAQ answers, to measure refusals"
    )
    parser.add_argument(
        "--answers", metavar="FILE", help="table of answers, where the FAQs do not hold theirs"
    )
    parser.add_argument("--name", help="name of the model; a-z 0-9 . _ -")
    parser.add_argument(
        "--output", default="models", metavar="DIR", help="model repository (default: %(default)s)"
    )
    parser.add_argument("--version", type=int, metavar="N", help="default: the next free one")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--test-share",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="share of each FAQ's duplicates to evaluate on (default: %(default)s)",
    )
    parser.add_argument("--no-evaluation", action="store_true", help="takes half the time")
    parser.add_argument(
        "--no-answers", action="store_true", help="do not learn from the texts of the answers"
    )
    parser.add_argument(
        "--keep-share",
        type=float,
        default=DEFAULT_KEPT_SHARE,
        metavar="SHARE",
        help="min_score is set so that this share of right answers keeps it (default: %(default)s)",
    )
    parser.add_argument(
        "--max-characters",
        type=int,
        default=DEFAULT_MAX_CHARACTERS,
        metavar="N",
        help="longer questions are refused by the server (default: %(default)s)",
    )
    actions = parser.add_subparsers(metavar="add", title="sub-command")
    add = actions.add_parser(
        "add",
        help=faq_add.HELP,
        description=faq_add.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    faq_add.add_arguments(add)
    add.set_defaults(run=faq_add.run)


def run(arguments: argparse.Namespace) -> int:
    """Train, evaluate, export, prove and publish."""
    _check(arguments)
    place = Place.choose(arguments.output, arguments.name, arguments.version)
    data = read_faq_data(
        arguments.faqs, arguments.duplicates, arguments.out_of_scope, arguments.answers
    )
    report = Report(f"FAQ model {place.name} version {place.version}")
    report.section("Data", _describe_data(data))
    evaluation = _evaluate(data, arguments, report)
    model = fit(_lesson(data, arguments), arguments.seed, arguments.keep_share)
    report.section("Model", _describe_model(model, arguments))
    publication = publication_of(
        model.pipeline,
        data.faqs,
        [one.text for one in data.duplicates] + [one.text for one in data.out_of_scope],
        replace(model.new_row, answers=not arguments.no_answers),
        min_score=model.min_score,
        evaluation=evaluation,
        max_characters=arguments.max_characters,
    )
    publish(publication, place, report)
    print(report.to_text())
    print(f"Serve it:  python -m modelserver --models {arguments.output}")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for flag in ("--faqs", "--name"):
        if not getattr(arguments, flag[2:]):
            raise UsageError(f"{flag} is needed; python -m converters faq --help shows an example")
    for flag in ("--test-share", "--keep-share"):
        share = getattr(arguments, flag[2:].replace("-", "_"))
        if not 0 < share < 1:
            raise UsageError(f"{flag}: expected a number between 0 and 1, got {share}")
    if arguments.seed < 0:
        raise UsageError(f"--seed: expected a whole number >= 0, got {arguments.seed}")
    check_max_characters(arguments.max_characters)


def _lesson(data: FaqData, arguments: argparse.Namespace) -> FaqData:
    """What to learn from: all of it, or all but the answers."""
    return without_answers(data) if arguments.no_answers else data


def _evaluate(data: FaqData, arguments: argparse.Namespace, report: Report) -> Mapping[str, Any]:
    """Evaluate on a split, unless there is nothing to ask."""
    if arguments.no_evaluation:
        report.section("Evaluation", {"left out": "by --no-evaluation"})
        return {}
    train, test = split(data, arguments.test_share, arguments.seed)
    if not test.duplicates:
        report.section("Evaluation", {"left out": "too few duplicates to withhold some"})
        return {}
    model = fit(_lesson(train, arguments), arguments.seed, arguments.keep_share)
    found = evaluate(model, train, test)
    found.add_to(report)
    return {"test_share": arguments.test_share, "seed": arguments.seed, **found.summary}


def _describe_data(data: FaqData) -> dict[str, Any]:
    asked = {name for one in data.duplicates for name in one.duplicate_of}
    return {
        "FAQs": len(data.faqs),
        "of these with an answer": sum(bool(faq.answer) for faq in data.faqs),
        "of these without a known duplicate": len(data.faqs) - len(asked),
        "of these with the text of another": len(data.faqs) - len({f.text for f in data.faqs}),
        "duplicates": len(data.duplicates),
        "out-of-scope questions": len(data.out_of_scope),
        **{f"left out: {reason}": count for reason, count in data.dropped.items()},
    }


def _describe_model(model: FaqModel, arguments: argparse.Namespace) -> dict[str, Any]:
    matcher = model.pipeline[-1]
    kept = np.diff(matcher.coef_.indptr)
    measured = f"keeps {arguments.keep_share:.0%} of the right answers in rehearsals"
    return {
        "terms": matcher.n_features_in_,
        "weights per FAQ": f"{kept.mean():.0f} on average, {kept.max()} at most",
        "min_score": model.min_score,
        "chosen because it": measured if model.is_measured else "is the default; too little data",
        "questions rehearsed": model.rehearsed,
        "seed": arguments.seed,
    }
