"""Add FAQs to a published model, or replace some, in seconds and without training.

A FAQ with a known id takes the place of the old one, whose duplicates are forgotten; all others
are added at the end. A new FAQ is found by its text, its answer, and the duplicates given with it;
words that the model has never seen become known. The result is a new version, checked like any
other. A model trained anew on everything is a little better: train again when many FAQs are new.

Example:
    python -m converters faq add models/javascript-faq/1 --faqs new.jsonl
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from converters.errors import ConverterError, UsageError
from converters.faq.extension import extend
from converters.faq.graph import read_faq_model
from converters.faq.publication import NEW_ROW, publication_of
from converters.faq.records import Faq, FaqData, read_faq_data
from converters.faq.training import NewRow, without_answers
from converters.parity import PARITY_NAME
from converters.publish import Place, publish
from converters.report import Report
from modelserver.artefact import Artefact
from modelserver.cleaning import clean_text
from modelserver.errors import ArtefactError
from modelserver.manifest import MANIFEST_NAME
from modelserver.tasks.faq import FAQS_NAME

HELP = "add FAQs to an artefact, or replace some, without training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("artefact", metavar="ARTEFACT", help="folder <repository>/<name>/<version>")
    parser.add_argument("--faqs", metavar="FILE", required=True, help="new and changed FAQs")
    parser.add_argument("--duplicates", metavar="FILE", help="questions that ask the same as these")
    parser.add_argument(
        "--output", metavar="DIR", help="model repository (default: the one ARTEFACT is in)"
    )
    parser.add_argument("--version", type=int, metavar="N", help="default: the next free one")


def run(arguments: argparse.Namespace) -> int:
    """Read the artefact, extend its model, prove and publish the result."""
    artefact = _open(Path(arguments.artefact))
    manifest = artefact.manifest
    repository = arguments.output or str(artefact.folder.resolve().parent.parent)
    place = Place.choose(repository, manifest.name, arguments.version)
    new = read_faq_data(arguments.faqs, arguments.duplicates)
    old_faqs, new_row = _read_faqs(artefact)
    before = read_faq_model(artefact.model_path)
    after = extend(before, new if new_row.answers else without_answers(new), new_row)
    faqs = _merge(old_faqs, new.faqs)
    questions = artefact.read_json(PARITY_NAME)["instances"]
    report = Report(f"FAQ model {place.name} version {place.version}")
    facts = _compare(before, after, new, questions)
    report.section("Changes", {"made from": str(artefact.folder), **facts})
    publication = publication_of(
        after,
        faqs,
        [*questions, *(one.text for one in new.duplicates)],
        new_row,
        min_score=manifest.parameters["min_score"],
        evaluation={"made_from_version": manifest.version, **facts},
        max_characters=manifest.preprocessing["max_characters"],
        top_k=manifest.parameters["top_k"],
    )
    publish(publication, place, report)
    print(report.to_text())
    print(f"Serve it:  python -m modelserver --models {repository}")
    return 0


def _open(folder: Path) -> Artefact:
    """Open a FAQ artefact and make sure that it is whole."""
    if not (folder / MANIFEST_NAME).is_file():
        raise UsageError(
            f"{folder}: no {MANIFEST_NAME} in it; expected the folder of one version, such as "
            "models/javascript-faq/1"
        )
    try:
        artefact = Artefact.open(folder)
        artefact.verify()
    except ArtefactError as error:
        raise ConverterError(str(error)) from error
    if artefact.manifest.task != "faq":
        raise UsageError(
            f"{folder}: expected an artefact of task 'faq', got {artefact.manifest.task!r}"
        )
    return artefact


def _read_faqs(artefact: Artefact) -> tuple[list[Faq], NewRow]:
    """Read the FAQs of an artefact, and how new ones are made."""
    content = artefact.read_json(FAQS_NAME)
    if NEW_ROW not in content:
        raise UsageError(
            f"{artefact.folder}/{FAQS_NAME}: no {NEW_ROW!r} in it; only models that "
            "`converters faq` trained can be extended"
        )
    return [Faq.from_json(row) for row in content["faqs"]], NewRow(**content[NEW_ROW])


def _merge(old: Sequence[Faq], new: Sequence[Faq]) -> list[Faq]:
    """Replace FAQs in their places, and add the others at the end."""
    merged = {faq.id: faq for faq in old}
    merged.update({faq.id: faq for faq in new})
    return list(merged.values())


def _compare(
    before: Pipeline, after: Pipeline, new: FaqData, questions: Sequence[str]
) -> dict[str, Any]:
    """Say what the new version does otherwise."""
    known = set(before[-1].classes_.tolist())
    replaced = sum(faq.id in known for faq in new.faqs)
    found = after.predict([faq.text for faq in new.faqs])
    texts = [clean_text(text) for text in questions]
    moved = before.predict(texts) != after.predict(texts)
    return {
        "faqs": len(after[-1].classes_),
        "added": len(new.faqs) - replaced,
        "replaced": replaced,
        "new_faqs_found_by_their_own_text": sum(
            name == faq.id for name, faq in zip(found.tolist(), new.faqs, strict=True)
        ),
        "earlier_examples": len(texts),
        "earlier_examples_with_another_best_match": int(np.sum(moved)),
        **{f"left_out_{reason.replace(' ', '_')}": n for reason, n in new.dropped.items()},
    }
