"""What is written holds the texts as they are, and whom to credit for them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from converters.stackexchange.command import convert
from converters.stackexchange.posts import Site, licence_of, tags_of
from tests.converters.dumps import LOOSE, Row, answer, lines_of, link, question, write_dump


def test_of_rows_with_the_same_id_the_first_is_kept(tmp_path: Path) -> None:
    """A repeated id neither replaces a text nor appears twice."""
    posts = [question(1), answer(2, 1), question(3, Body="first"), question(3, Body="second")]
    posts += [question(1, Body="late"), answer(2, 1, Body="late")]
    summary = convert(write_dump(tmp_path / "d", posts, [link(3, 1)]), tmp_path / "out", LOOSE)
    records = lines_of(tmp_path / "out/faqs.jsonl") + lines_of(tmp_path / "out/duplicates.jsonl")
    assert [record["body"] for record in records] == ["<p>Body 1</p>", "first"]
    assert records[0]["answer"] == "<p>A 2</p>"
    assert summary.read["linked questions with an id seen before, left out"] == 2


def test_records_have_the_texts_as_they_are_and_their_source(tmp_path: Path) -> None:
    """A line holds raw HTML, links to the site and who to credit under which licence."""
    posts = [
        question(1, OwnerUserId=7, Body="<p>a &amp; “b”\n\u2028c</p>", Title="Größe <b>?"),
        answer(2, 1, OwnerUserId=8, OwnerDisplayName="Ann", CommunityOwnedDate="2020-01-01"),
        question(3, OwnerDisplayName="gone42", ContentLicense="CC BY-SA 4.0"),
    ]
    dump = write_dump(tmp_path / "travel.stackexchange.com", posts, [link(3, 1)])
    convert(dump, tmp_path / "out", LOOSE)
    site = "https://travel.stackexchange.com"
    assert lines_of(tmp_path / "out/faqs.jsonl") == [
        {
            "id": 1,
            "title": "Größe <b>?",
            "body": "<p>a &amp; “b”\n\u2028c</p>",
            "answer_id": 2,
            "answer": "<p>A 2</p>",
            "url": f"{site}/questions/1",
            "attribution": f"Question 1 by user 7 ({site}/users/7), {site}/questions/1, "
            f"CC BY-SA 3.0; Answer 2 by Ann ({site}/users/8) and others (community wiki), "
            f"{site}/a/2, CC BY-SA 4.0",
        }
    ]
    assert lines_of(tmp_path / "out/duplicates.jsonl") == [
        {
            "id": 3,
            "title": "Title 3",
            "body": "<p>Body 3</p>",
            "duplicate_of": [1],
            "url": f"{site}/questions/3",
            "attribution": f"Question 3 by gone42, {site}/questions/3, CC BY-SA 4.0",
        }
    ]


def test_missing_columns_are_left_out(tmp_path: Path) -> None:
    """Rows without owner, dates, score, title, tags or a usable id do no harm."""
    posts: list[Row] = [
        {"Id": 1, "PostTypeId": 1, "Body": "only a body"},
        {"Id": 2, "PostTypeId": 2, "ParentId": 1, "Body": "reply", "OwnerUserId": -1},
        {"Id": 3, "PostTypeId": 1, "Title": "only a title"},
        {"Id": 4, "PostTypeId": 1},
        {"PostTypeId": 1, "Body": "no id"},
        {"Id": "x", "PostTypeId": 2, "ParentId": 1, "Body": "odd id"},
        {"Id": 5, "Body": "no type"},
    ]
    links: list[Row] = [link(3, 1), link(4, 1), link(1, 1), {"LinkTypeId": 3, "PostId": 3}, {}]
    summary = convert(write_dump(tmp_path / "dump", posts, links), tmp_path / "out", LOOSE)
    assert lines_of(tmp_path / "out/faqs.jsonl") == [
        {
            "id": 1,
            "body": "only a body",
            "answer_id": 2,
            "answer": "reply",
            "attribution": "Question 1 by a deleted user, CC BY-SA; "
            "Answer 2 by a deleted user, CC BY-SA",
        }
    ]
    assert [record["id"] for record in lines_of(tmp_path / "out/duplicates.jsonl")] == [3]
    assert summary.read["posts without a usable id or type, left out"] == 3
    assert summary.read["duplicate links without two different ids, left out"] == 2


@pytest.mark.parametrize(
    ("row", "licence"),
    [
        ({"CreationDate": "2011-04-07T23:59:59.999"}, "CC BY-SA 2.5"),
        ({"CreationDate": "2011-04-08T00:00:00.000"}, "CC BY-SA 3.0"),
        ({"CreationDate": "2018-05-01T23:59:59.999"}, "CC BY-SA 3.0"),
        ({"CreationDate": "2018-05-02T00:00:00.000"}, "CC BY-SA 4.0"),
        (
            {"CreationDate": "2010-01-01", "LastEditDate": "2012-01-01", "LastEditorUserId": "5"},
            "CC BY-SA 3.0",
        ),
        (
            {"CreationDate": "2010-01-01", "LastEditDate": "2020-01-01", "LastEditorUserId": "-1"},
            "CC BY-SA 2.5",
        ),
        ({"CreationDate": "2020-01-01", "ContentLicense": "CC BY-SA 3.0"}, "CC BY-SA 3.0"),
        ({}, "CC BY-SA"),
    ],
)
def test_licence(row: Mapping[str, str], licence: str) -> None:
    """The dump's own word counts, else the day of the latest edit that a person made."""
    assert licence_of(row) == licence


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ("<javascript><c#>", ["javascript", "c#"]),
        ("|javascript|c#|", ["javascript", "c#"]),
        ("<Node.JS>", ["node.js"]),
        ("", []),
    ],
)
def test_tags(tags: str, names: list[str]) -> None:
    """Both ways in which dumps write tags are read."""
    assert tags_of({"Tags": tags}) == names


@pytest.mark.parametrize(
    ("folder", "host"),
    [
        ("stackoverflow.com", "stackoverflow.com"),
        ("Meta.StackExchange.com", "meta.stackexchange.com"),
        ("mathoverflow.net", "mathoverflow.net"),
        ("dump.v2", ""),
        ("stackoverflow", ""),
        ("notstackoverflow.com", ""),
    ],
)
def test_site_of_a_folder(folder: str, host: str) -> None:
    """Only the name of a known site becomes a link."""
    assert Site.of_folder(folder).host == host
