"""FAQs, their known duplicates and out-of-scope questions, as files hold them.

docs/converters.md describes the two forms, JSON lines and the reference implementation's tables.
Texts are cleaned while they are read, with the rules the server uses.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converters.errors import ConverterError
from converters.faq.record_files import Row, read_rows
from modelserver.cleaning import clean_text

Id = int | str

_TITLE_LENGTH = 120
_EXTRA = ("url", "attribution")


@dataclass(frozen=True, slots=True)
class Faq:
    """A question with a known answer.

    Args:
        id, answer_id: what an answer of the service names.
        title: one line for people.
        text: the cleaned question, title and body.
        answer: as it was given, possibly HTML; empty when there is none.
        extra: url and attribution, where given.
    """

    id: Id
    answer_id: Id
    title: str
    text: str
    answer: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As faqs.json of an artefact holds it."""
        values = {"id": self.id, "answer_id": self.answer_id, "title": self.title}
        answer = {"answer": self.answer} if self.answer else {}
        return {**values, "text": self.text, **answer, **self.extra}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Faq":
        """As `to_json` gave it."""
        known = {name: values[name] for name in ("id", "answer_id", "title", "text")}
        extra = {name: values[name] for name in _EXTRA if name in values}
        return cls(**known, answer=values.get("answer", ""), extra=extra)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A question that one or more FAQs answer: cleaned text, ids of the FAQs."""

    id: Id
    text: str
    duplicate_of: tuple[Id, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that no FAQ answers: cleaned text."""

    id: Id
    text: str


@dataclass(frozen=True, slots=True)
class FaqData:
    """What a FAQ model is trained on.

    Args:
        faqs: in the order of the model's outputs.
        duplicates, out_of_scope: see there; either may be empty.
        dropped: what was left out while reading, reason to count.
    """

    faqs: Sequence[Faq]
    duplicates: Sequence[Duplicate] = ()
    out_of_scope: Sequence[Question] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[Id]:
        """The ids of the FAQs, in the order of the model's outputs."""
        return [faq.id for faq in self.faqs]


def read_faq_data(
    faqs: str,
    duplicates: str | None = None,
    out_of_scope: str | None = None,
    answers: str | None = None,
) -> FaqData:
    """Read the files of one FAQ.

    Args:
        faqs, duplicates, out_of_scope: paths of JSON lines or tables.
        answers: path of a table of answers by AnswerId, when the FAQs do not hold theirs.

    Raises:
        ConverterError: a file cannot be read, a record is not what it should be, or nothing is
            left; the message names file and line.
    """
    dropped: dict[str, int] = {}
    texts = _read_answers(answers) if answers else {}
    faq_list = list(_kept(dropped, "FAQs", (_faq(row, texts) for row in _unique(read_rows(faqs)))))
    if not faq_list:
        raise ConverterError(f"{faqs}: no FAQ with a text in it")
    found: list[Duplicate] = []
    if duplicates:
        found = _link(_merge(read_rows(duplicates)), faq_list, dropped, duplicates)
    strangers = _unique(read_rows(out_of_scope)) if out_of_scope else ()
    questions = (Question(_id(row), _clean(row)) for row in strangers)
    return FaqData(
        faq_list, found, list(_kept(dropped, "out-of-scope questions", questions)), dropped
    )


def _faq(row: Row, answers: Mapping[Id, str]) -> Faq:
    identifier = _id(row)
    answer_id = _id(row, "answer_id") if "answer_id" in row.values else identifier
    text = _clean(row)
    return Faq(
        identifier,
        answer_id,
        _title(row) or text[:_TITLE_LENGTH],
        text,
        _text(row, "answer") or answers.get(answer_id, ""),
        {name: _text(row, name) for name in _EXTRA if _text(row, name)},
    )


def _merge(rows: Iterable[Row]) -> Iterator[tuple[Row, Duplicate]]:
    """Read duplicates; a table lists a duplicate of two FAQs twice, JSON lines never."""
    merged: dict[Id, tuple[Row, Duplicate]] = {}
    for row in rows:
        one = Duplicate(_id(row), _clean(row), _targets(row))
        if one.id in merged:
            first, before = merged[one.id]
            if not row.is_table:
                raise row.fail(f"id {one.id!r} was used before, in {first.where}")
            one = Duplicate(one.id, before.text, before.duplicate_of + one.duplicate_of)
            row = first
        merged[one.id] = row, one
    yield from merged.values()


def _link(
    rows: Iterable[tuple[Row, Duplicate]],
    faqs: Sequence[Faq],
    dropped: dict[str, int],
    path: str,
) -> list[Duplicate]:
    """Keep the duplicates of known FAQs, naming FAQs by their id."""
    ids = {faq.id: (faq.id,) for faq in faqs}
    by_answer: dict[Id, tuple[Id, ...]] = {}
    for faq in faqs:
        by_answer[faq.answer_id] = (*by_answer.get(faq.answer_id, ()), faq.id)
    linked = []
    seen = {(faq.text, faq.id) for faq in faqs}
    for row, one in rows:
        known = by_answer if row.is_table else ids
        targets = {target: None for name in one.duplicate_of for target in known.get(name, ())}
        new = [target for target in targets if (one.text, target) not in seen]
        reason = _reason_to_drop(one, targets, new, ids)
        if reason:
            dropped[reason] = dropped.get(reason, 0) + 1
        else:
            linked.append(Duplicate(one.id, one.text, tuple(targets)))
            seen.update((one.text, target) for target in targets)
    if dropped and not linked:
        raise ConverterError(
            f"{path}: no duplicate belongs to a known FAQ: "
            + ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        )
    return linked


def _reason_to_drop(
    one: Duplicate, targets: Collection[Id], new: Collection[Id], faq_ids: Collection[Id]
) -> str:
    """Why a duplicate teaches nothing; `new` are those FAQs that were not known by this text."""
    if not one.text:
        return "duplicates without a text"
    if one.id in faq_ids:
        return "duplicates that are FAQs themselves"
    if not targets:
        return "duplicates of unknown FAQs"
    # They would be learned from and asked, and so flatter the evaluation.
    return "" if new else "duplicates that repeat a known text word for word"


def _targets(row: Row) -> tuple[Id, ...]:
    if row.is_table:
        return (_id(row, "answer_id"),)
    value = row.values.get("duplicate_of")
    if not isinstance(value, list) or not value or not all(_is_id(one) for one in value):
        got = "nothing" if value is None else repr(value)
        raise row.fail(f"field 'duplicate_of': expected a list of FAQ ids, got {got}")
    return tuple(value)


def _read_answers(path: str) -> dict[Id, str]:
    return {_id(row): _text(row, "text") for row in read_rows(path)}


def _unique(rows: Iterable[Row]) -> Iterator[Row]:
    """Refuse a second record with the same id."""
    seen: dict[Id, str] = {}
    for row in rows:
        identifier = _id(row)
        if identifier in seen:
            raise row.fail(f"id {identifier!r} was used before, in {seen[identifier]}")
        seen[identifier] = row.where
        yield row


def _kept(dropped: dict[str, int], kind: str, records: Iterable[Any]) -> Iterator[Any]:
    """Leave out records whose text is nothing but markup and code, and count them."""
    reason = f"{kind} without a text"
    for record in records:
        if record.text:
            yield record
        else:
            dropped[reason] = dropped.get(reason, 0) + 1


def _id(row: Row, name: str = "id") -> Id:
    value = row.values.get(name)
    if not _is_id(value):
        raise row.fail(f"field {name!r}: expected a whole number or a text, got {value!r}")
    identifier: Id = value  # type: ignore[assignment]
    return identifier


def _is_id(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and bool(value))


def _text(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise row.fail(f"field {name!r}: expected a text, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise row.fail(f"field {name!r}: half of a surrogate pair is no text") from error
    return value


def _title(row: Row) -> str:
    """The title as it was written; a table holds it in front of the body."""
    return _text(row, "title") or _text(row, "text").partition(". <")[0][:_TITLE_LENGTH]


def _clean(row: Row) -> str:
    """The cleaned text of title and body."""
    parts = [_text(row, name) for name in ("text", "title", "body")]
    if not any(parts):
        fields = ", ".join(map(repr, row.values)) or "no field at all"
        raise row.fail(f"expected a 'title', a 'body' or both, got {fields[:_TITLE_LENGTH]}")
    return clean_text(". ".join(part for part in parts if part))
