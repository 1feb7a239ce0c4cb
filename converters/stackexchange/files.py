"""Writes faqs.jsonl and duplicates.jsonl, both or neither."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from converters.errors import ConverterError, UsageError
from converters.output_folder import check_writable, existing_part
from converters.stackexchange.dump import Row
from converters.stackexchange.posts import (
    ANSWER,
    QUESTION,
    Site,
    duplicate_record,
    faq_record,
    number_of,
)
from converters.stackexchange.selection import Selection

FAQS = "faqs.jsonl"
DUPLICATES = "duplicates.jsonl"

# JSON allows these in a string, yet some readers of JSON lines break a line there.
_LINE_ENDS = {number: f"\\u{number:04x}" for number in (0x85, 0x2028, 0x2029)}


def check_output(folder: Path, overwrite: bool) -> None:
    """Refuse a place where the two files cannot or must not be written.

    Raises:
        UsageError: a part of the path is a file, or one of the two exists and may not be replaced.
    """
    check_writable(folder)
    present = [name for name in (FAQS, DUPLICATES) if (folder / name).exists()]
    for name in present:
        if (folder / name).is_dir():
            raise UsageError(f"{folder / name}: is a folder; expected a file, or nothing")
    if present and not overwrite:
        raise UsageError(
            f"{folder}: holds {' and '.join(present)} already; pass --overwrite to replace them"
        )


@contextmanager
def new_files(folder: Path, overwrite: bool) -> Iterator[tuple[TextIO, TextIO]]:
    """Give two open files, for FAQs and duplicates, that appear in `folder` only on success."""
    check_output(folder, overwrite)
    with TemporaryDirectory(prefix=".stackexchange-", dir=existing_part(folder)) as hidden:
        staged = [Path(hidden) / name for name in (FAQS, DUPLICATES)]
        with (
            staged[0].open("w", encoding="utf-8") as faqs,
            staged[1].open("w", encoding="utf-8") as duplicates,
        ):
            yield faqs, duplicates
        check_output(folder, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        for path in staged:
            os.replace(path, folder / path.name)


def write_records(
    rows: Iterable[Row],
    selection: Selection,
    answers: Mapping[int, int],
    site: Site,
    files: tuple[TextIO, TextIO],
) -> None:
    """Pass over Posts.xml and write what was selected, in the order of the dump.

    Duplicates are written as they come; FAQs wait in memory for their answers.

    Args:
        rows: all posts.
        selection: the questions and duplicates to write.
        answers: FAQ question id -> id of its answer.
        site: where the posts were published.
        files: the open files for FAQs and duplicates.

    Raises:
        ConverterError: a selected post is gone, so the dump has changed since it was selected.
    """
    faqs_file, duplicates_file = files
    questions: dict[int, Row] = {}
    replies: dict[int, Row] = {}
    waiting = dict(selection.duplicates)
    chosen = set(answers.values())
    for row, post, kind in _numbered(rows):
        if kind == QUESTION and post in waiting:
            _write(duplicates_file, duplicate_record(row, waiting.pop(post), site))
        elif kind == QUESTION and post in selection.questions:
            questions.setdefault(post, row)
        elif kind == ANSWER and post in chosen:
            replies.setdefault(post, row)
    if waiting or questions.keys() != answers.keys() or replies.keys() != chosen:
        raise ConverterError("the dump has changed while it was read; run the command again")
    for post, row in questions.items():
        _write(faqs_file, faq_record(row, replies[answers[post]], site))


def _numbered(rows: Iterable[Row]) -> Iterator[tuple[Row, int, str | None]]:
    """Posts that have an id and, where they are answers, a text; with their id and kind."""
    for row in rows:
        post, kind = number_of(row, "Id"), row.get("PostTypeId")
        if post is not None and (kind != ANSWER or row.get("Body", "").strip()):
            yield row, post, kind


def _write(file: TextIO, record: Mapping[str, Any]) -> None:
    file.write(json.dumps(record, ensure_ascii=False).translate(_LINE_ENDS) + "\n")
