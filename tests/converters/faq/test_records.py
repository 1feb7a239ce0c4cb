"""Reading FAQ files: both forms, the same cleaning as the server, errors that name the line."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from converters.errors import ConverterError
from converters.faq.records import Faq, read_faq_data
from tests.converters.faq_samples import write_lines

FAQS: list[Any] = [
    {"id": 1, "title": "Sort <b>numbers</b>", "body": "<p>a &lt; b</p><pre>x = 1</pre>"},
    {"id": "two", "answer_id": 20, "body": "Only a body", "answer": "<p>Yes.</p>", "url": "u"},
]


def read(folder: Path, faqs: list[Any] = FAQS, **rest: list[Any]) -> Any:
    files = {name: write_lines(folder / f"{name}.jsonl", rows) for name, rows in rest.items()}
    return read_faq_data(write_lines(folder / "faqs.jsonl", faqs), **files)


def test_json_lines(tmp_path: Path) -> None:
    """Title and body become one cleaned text; what is not given has a sensible default."""
    first, second = read(tmp_path).faqs
    assert first == Faq(1, 1, "Sort <b>numbers</b>", "sort numbers. a < b")
    assert second == Faq("two", 20, "only a body", "only a body", "<p>Yes.</p>", {"url": "u"})


def test_faqs_survive_an_artefact() -> None:
    """What faqs.json holds of a FAQ is all there is to know of it."""
    faq = Faq(1, 2, "title", "text", "answer", {"url": "u", "attribution": "a"})
    assert Faq.from_json(faq.to_json()) == faq


def test_duplicates_are_linked(tmp_path: Path) -> None:
    """Duplicates keep the known FAQs they belong to; all others are left out and counted."""
    rows = [
        {"id": 10, "title": "kept", "duplicate_of": [1, 1, "two", 99]},
        {"id": 11, "title": "of nobody", "duplicate_of": [99]},
        {"id": 1, "title": "a FAQ itself", "duplicate_of": ["two"]},
        {"id": 12, "body": "<pre>code</pre>", "duplicate_of": [1]},
        {"id": 13, "title": "1 is not '1'", "duplicate_of": ["1"]},
    ]
    data = read(tmp_path, duplicates=rows)
    assert [(one.id, one.duplicate_of) for one in data.duplicates] == [(10, (1, "two"))]
    assert data.dropped == {
        "duplicates of unknown FAQs": 2,
        "duplicates that are FAQs themselves": 1,
        "duplicates without a text": 1,
    }


def test_nothing_linked_is_an_error(tmp_path: Path) -> None:
    """Duplicates of which none belongs to a FAQ are a wrong file, not a small one."""
    with pytest.raises(
        ConverterError, match="no duplicate belongs to a known FAQ: 1 duplicates of"
    ):
        read(tmp_path, duplicates=[{"id": 10, "title": "x", "duplicate_of": [99]}])


def test_faqs_of_nothing_but_code_are_left_out(tmp_path: Path) -> None:
    """A FAQ without a word could never be found; it is counted."""
    data = read(tmp_path, [*FAQS, {"id": 3, "body": "<pre>code</pre>"}])
    assert len(data.faqs) == 2
    assert data.dropped == {"FAQs without a text": 1}


def test_word_for_word_repeats_are_left_out(tmp_path: Path) -> None:
    """A text known of its FAQ teaches nothing, and would be asked and learned from at once."""
    repeats = [
        {"id": 10, "title": "Other words", "duplicate_of": [1]},
        {"id": 11, "title": "other WORDS", "duplicate_of": [1]},
        {"id": 12, "title": "Other words", "duplicate_of": [2]},
        {"id": 13, "title": FAQS[0]["title"], "duplicate_of": [1]},
    ]
    faqs = [{"id": 1, "title": FAQS[0]["title"]}, {"id": 2, "title": "Something else"}]
    data = read(tmp_path, faqs, duplicates=repeats)
    assert [one.id for one in data.duplicates] == [10, 12]
    assert data.dropped == {"duplicates that repeat a known text word for word": 2}


BAD_FAQS: dict[str, tuple[list[Any], str]] = {
    "not JSON": (['{"id": 1'], r"faqs\.jsonl:1: expected one JSON object a line"),
    "a list": (["[]"], r"faqs\.jsonl:1: expected one JSON object a line, got \[\]"),
    "no id": ([{"title": "x"}], r":1: field 'id': expected a whole number or a text, got None"),
    "a boolean id": ([{"id": True, "title": "x"}], r":1: field 'id': .* got True"),
    "same id": ([FAQS[0], "", FAQS[0]], r":3: id 1 was used before, in .*faqs\.jsonl:1"),
    "no text": ([{"id": 1, "answer": "x"}], r":1: expected a 'title', a 'body' or both"),
    "other fields": ([{"id": 1, "question": "x"}], r":1: expected .*, got 'id', 'question'$"),
    "a table": (["id,title"], r":1: expected .* \(files named \.tsv or .* are read as tables\)"),
    "a number as title": ([{"id": 1, "title": 5}], r":1: field 'title': expected a text, got 5"),
    "half a surrogate pair": (['{"id": 1, "title": "\\ud800"}'], r":1: field 'title': half of"),
    "nothing": ([], r"faqs\.jsonl: no FAQ with a text in it"),
}


@pytest.mark.parametrize(("rows", "message"), BAD_FAQS.values(), ids=BAD_FAQS)
def test_bad_faqs(tmp_path: Path, rows: list[Any], message: str) -> None:
    """An error names the file, the line, what was expected and what came."""
    with pytest.raises(ConverterError, match=message):
        read(tmp_path, rows)


def test_missing_links(tmp_path: Path) -> None:
    """Without `duplicate_of` the error says that nothing came, in no language of programmers."""
    with pytest.raises(ConverterError, match=r"expected a list of FAQ ids, got nothing"):
        read(tmp_path, duplicates=[{"id": 10, "title": "x"}])


@pytest.mark.parametrize("value", [None, [], "1", [True], [1.5]], ids=repr)
def test_bad_links(tmp_path: Path, value: object) -> None:
    """`duplicate_of` is a list of ids, never anything else."""
    row = {"id": 10, "title": "x", "duplicate_of": value}
    with pytest.raises(ConverterError, match=r":1: field 'duplicate_of': expected a list"):
        read(tmp_path, duplicates=[row])


def test_unreadable_files(tmp_path: Path) -> None:
    """A missing file, a broken archive and bytes that are no text are said to be so."""
    (tmp_path / "latin.jsonl").write_bytes('{"id": 1, "title": "é"}'.encode("latin-1"))
    (tmp_path / "broken.tsv.gz").write_bytes(b"not gzip")
    for name, message in {
        "missing.jsonl": "cannot be read: No such file or directory$",
        ".": "cannot be read: Is a directory$",
        "latin.jsonl": "expected UTF-8 text: .* iconv -f latin1 -t utf-8$",
        "broken.tsv.gz": "cannot be read",
    }.items():
        with pytest.raises(ConverterError, match=f": {message}") as caught:
            read_faq_data(str(tmp_path / name))
        assert str(caught.value).startswith(str(tmp_path / name))


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark in front of the first record is no part of it."""
    (tmp_path / "faqs.jsonl").write_bytes(b'\xef\xbb\xbf{"id": 1, "title": "x"}\n')
    assert read_faq_data(str(tmp_path / "faqs.jsonl")).names == [1]


def test_reference_tables_with_header(tmp_path: Path) -> None:
    """Columns are found by name, quoted cells are read as pandas wrote them."""
    path = tmp_path / "questions.tsv"
    path.write_text(
        "Id\tAnswerId\tText0\tCreationDate\tText\n"
        '7\t70\t"Say ""hi""?. <p>How do I\tgreet?</p>"\t2010-01-01\tcleaned before\n'
    )
    (faq,) = read_faq_data(str(path)).faqs
    assert faq == Faq(7, 70, 'Say "hi"?', 'say "hi"?. how do i greet?')


def test_reference_tables_without_header(tmp_path: Path) -> None:
    """The source tables have known columns; a duplicate of two FAQs stands in them twice."""

    def table(name: str, *rows: str) -> str:
        path = tmp_path / name
        path.write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode()))
        return str(path)

    data = read_faq_data(
        table("q.tsv.gz", "1\t10\tOne. <p>x</p>\t2010", "2\t20\tTwo\t2010"),
        table("d.tsv.gz", "5\t10\tboth\t2011", "5\t20\tboth\t2011", "1\t20\tfaq\t2011"),
        answers=table("a.tsv.gz", "10\tAnswer of one", "20\tAnswer of two"),
    )
    assert [(faq.title, faq.answer) for faq in data.faqs] == [
        ("One", "Answer of one"),
        ("Two", "Answer of two"),
    ]
    assert [(one.id, one.duplicate_of) for one in data.duplicates] == [(5, (1, 2))]
    assert data.dropped == {"duplicates that are FAQs themselves": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Text\tId\n", r":1: expected the columns Id and Text0"),
        ("alone\n", r":1: expected 2 to 4 tab-separated cells or a header, got 1"),
        ("Id\tAnswerId\tText0\n1\t2\n", r":2: expected 3 cells, got 2"),
    ],
    ids=["another order", "no table", "a short row"],
)
def test_bad_tables(tmp_path: Path, content: str, message: str) -> None:
    """A table that cannot be understood is refused with the line."""
    path = tmp_path / "q.tsv"
    path.write_text(content)
    with pytest.raises(ConverterError, match=message):
        read_faq_data(str(path))


def test_reference_questions(shared_data: Path) -> None:
    """The reference implementation's own 182 FAQs are read in full."""
    data = read_faq_data(str(shared_data / "faq" / "seed_182" / "questions.tsv"))
    assert len(data.faqs) == 182
    assert data.dropped == {}
    assert data.faqs[0].title == "Get client IP using just JavaScript?"
