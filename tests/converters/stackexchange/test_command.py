"""The command turns a dump into two files, or says what is in the way and leaves nothing."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from converters.errors import ConverterError, UsageError
from converters.stackexchange import command, selection
from converters.stackexchange.command import Options, convert
from converters.stackexchange.selection import Rules
from tests.converters.dumps import (
    LOOSE,
    answer,
    labels,
    left_over,
    lines_of,
    link,
    question,
    write_dump,
)


def run(*arguments: object) -> int:
    """Run the sub-command."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


NOTHING = {
    "a misspelt tag": (Rules(("jss",), 0, 1), "no question has the tag 'jss'; there are js"),
    "one of the tags misspelt": (Rules(("js", "jss"), 0, 1), "no question has the tag 'jss'"),
    "a tag without duplicates": (
        Rules(("css",), 0, 1),
        'no question is left: 2 were, and then the rule "original has the tag css"',
    ),
    "too few duplicates": (
        Rules(("js",), 0, 12),
        r"1 were, and then the rule \"12 duplicates or more \(--min-duplicates\)\" removed them. "
        "The largest number of duplicates is 2: try --min-duplicates 2.",
    ),
    "texts too short": (
        Rules(("js",), 5000, 1),
        r"text of 5000 characters or more \(--min-text-length\)\" removed them.",
    ),
}


@pytest.mark.parametrize(("rules", "message"), NOTHING.values(), ids=NOTHING)
def test_when_nothing_is_left_the_rule_is_named(rules: Rules, message: str, tmp_path: Path) -> None:
    """The message says which rule took the last question and which option relaxes it."""
    posts = [question(1), answer(2, 1), question(3), question(4), question(5, Tags="<css>")]
    posts += [question(6), question(7)]
    dump = write_dump(tmp_path / "dump", posts, [link(3, 1), link(4, 1), link(7, 6)])
    with pytest.raises(ConverterError, match=message):
        convert(dump, tmp_path / "out", Options(rules))
    assert not (tmp_path / "out").exists()


def test_a_dump_without_duplicate_links_says_so(tmp_path: Path) -> None:
    """A site may have links, but none of type 3."""
    dump = write_dump(tmp_path / "dump", [question(1)], [link(2, 1, kind=1)])
    with pytest.raises(ConverterError, match="none of its 1 rows is a duplicate link"):
        convert(dump, tmp_path / "out", LOOSE)


def test_existing_files_are_replaced_only_when_asked_for(tmp_path: Path) -> None:
    """A second run needs --overwrite; other files in the folder stay."""
    dump = write_dump(tmp_path / "d", [question(1), answer(2, 1), question(3)], [link(3, 1)])
    out = tmp_path / "deep/er/out"
    convert(dump, out, LOOSE)
    (out / "notes.txt").write_text("mine")
    (out / "faqs.jsonl").write_text("old")
    with pytest.raises(UsageError, match=r"holds faqs.jsonl and duplicates.jsonl already"):
        convert(dump, out, LOOSE)
    assert (out / "faqs.jsonl").read_text() == "old"
    convert(dump, out, Options(LOOSE.rules, overwrite=True))
    assert left_over(out) == ["duplicates.jsonl", "faqs.jsonl", "notes.txt"]
    assert labels(out) == ({1: 2}, {3: [1]})


def test_a_failure_while_writing_keeps_the_earlier_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fills in the second pass, nothing of the attempt is left."""
    dump = write_dump(tmp_path / "d", [question(1), answer(2, 1), question(3)], [link(3, 1)])
    out = tmp_path / "out"
    convert(dump, out, LOOSE)
    before = {name: (out / name).read_bytes() for name in left_over(out)}

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(command, "write_records", full)
    with pytest.raises(ConverterError, match="somewhere: No space left on device"):
        convert(dump, out, Options(LOOSE.rules, overwrite=True))
    assert {name: (out / name).read_bytes() for name in left_over(out)} == before


def test_a_dump_that_changes_meanwhile_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that the second pass no longer finds stops the conversion."""
    dump = write_dump(tmp_path / "d", [question(1), answer(2, 1), question(3)], [link(3, 1)])
    choose = selection.select

    def choose_and_change(*arguments: Any) -> Any:
        write_dump(dump, [question(1), question(3)], [link(3, 1)])
        return choose(*arguments)

    monkeypatch.setattr(command, "select", choose_and_change)
    with pytest.raises(ConverterError, match="has changed while it was read"):
        convert(dump, tmp_path / "out", LOOSE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: out.write_text(""), "is a file; expected a folder"),
        (
            lambda out: (out / "duplicates.jsonl").mkdir(parents=True),
            "is a folder; expected a file",
        ),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_first(
    make: Any, message: str, tmp_path: Path
) -> None:
    """An output that can never work is refused before an hour of reading."""
    make(tmp_path / "out")
    with pytest.raises(UsageError, match=message):
        convert(tmp_path / "not read yet", tmp_path / "out", LOOSE)


def test_the_command_reports_and_names_the_next_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has counts, each rule's effect, mean lengths, the largest share, a command."""
    posts = [question(1), answer(2, 1), question(3), question(4), question(5), answer(6, 5)]
    posts += [question(7), question(8)]
    dump = write_dump(tmp_path / "d", posts, [link(3, 1), link(4, 1), link(8, 1), link(7, 5)])
    out = tmp_path / "my out"
    flags = ["--tag", "JS", "--min-text-length", 0, "--min-duplicates", 1]
    assert run(dump, "-o", out, *flags, "--site", "js.example.org") == 0
    printed = capsys.readouterr()
    for piece in [
        f"Wrote 2 FAQs and 4 duplicates to {out}",
        "original has the tag js",
        "characters of a FAQ, mean              15.0",
        "mean 2.0, median 2, largest 3",
        "75.00%",
        f"--faqs '{out / 'faqs.jsonl'}' --duplicates '{out / 'duplicates.jsonl'}' "
        "--output models --name js-faq",
    ]:
        assert piece in printed.out
    assert "Posts.xml, second pass: done" in printed.err
    assert lines_of(out / "faqs.jsonl")[0]["url"] == "https://js.example.org/questions/1"


@pytest.mark.parametrize(
    "flags",
    [
        ["--site", "https://stackoverflow.com"],
        ["--min-duplicates", "-1"],
        ["--min-text-length", "x"],
    ],
)
def test_bad_options_are_usage_errors(flags: list[str]) -> None:
    """Options that make no sense end with code 2 before anything is read."""
    with pytest.raises(SystemExit) as caught:
        run("dump", "-o", "out", *flags)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("name", "counts"),
    [("quantumcomputing_2018", (612, 1060, 10, 9)), ("conlang_meta_2020", (54, 115, 1, 1))],
)
def test_real_dumps(name: str, counts: tuple[int, ...], shared_data: Path, tmp_path: Path) -> None:
    """Real dumps, of the old and the new column set, give the questions that they hold."""
    summary = convert(shared_data / "faq" / name, tmp_path, Options(Rules(min_duplicates=1)))
    found = (summary.read["questions"], summary.read["answers"], summary.faqs, summary.duplicates)
    assert found == counts
    records = lines_of(tmp_path / "faqs.jsonl") + lines_of(tmp_path / "duplicates.jsonl")
    assert all(record["title"] and record["body"] for record in records)
    assert all("CC BY-SA" in record["attribution"] for record in records)
