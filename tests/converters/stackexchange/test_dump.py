"""Tables of any size and age are read; damaged and hostile ones are refused by file and line."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from converters.errors import ConverterError
from converters.stackexchange.command import convert
from tests.converters.dumps import LOOSE, answer, left_over, link, question, table, write_dump

DAMAGE = {
    "cut off": (lambda text: text[: text.rindex("Body 3")], "line 5: not well-formed"),
    "a stray character": (lambda text: text.replace("Body 1", "<<"), "line 3: not well-formed"),
    "empty": (lambda _: "", "line 1: not well-formed"),
    "another table": (lambda text: text.replace("posts", "users"), "expected the table <posts>"),
    "other elements": (
        lambda text: text.replace("<row", "<post", 1),
        "expected <row>, found <post>",
    ),
    "nested rows": (
        lambda text: text.replace(" />", "><a/></row>", 1),
        "line 3: expected a row without content",
    ),
    "an unknown encoding": (lambda text: text.replace("utf-8", "klingon"), "line 1: "),
    "an endless row": (
        lambda text: text.replace("Body 1", "x" * 20_000_000),
        "no row ends within 16,777,216 bytes",
    ),
    "an entity bomb": (
        lambda text: text.replace(
            "<posts>",
            '<!DOCTYPE posts [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><posts>',
        ).replace("Body 1", "&b;"),
        "line 2: has a DOCTYPE",
    ),
    "a file from elsewhere": (
        lambda text: text.replace("<posts>", '<!DOCTYPE p SYSTEM "file:///etc/passwd"><posts>'),
        "line 2: has a DOCTYPE",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_xml_is_refused_by_file_and_line(damage: Any, message: str, tmp_path: Path) -> None:
    """Damage and attacks stop the conversion with the place named, and leave nothing."""
    posts = [question(1), answer(2, 1), question(3)]
    dump = write_dump(tmp_path / "dump", posts, [link(3, 1)])
    text = table("posts", posts).replace("&lt;p&gt;", "").replace("&lt;/p&gt;", "")
    (dump / "Posts.xml").write_text(damage(text).replace("\r", ""), "utf-8")
    with pytest.raises(ConverterError) as caught:
        convert(dump, tmp_path / "out", LOOSE)
    assert f"{dump / 'Posts.xml'}: line" in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.exit_code == 1
    assert left_over(tmp_path) == ["dump", "dump/PostLinks.xml", "dump/Posts.xml"]


@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["Posts.xml"], "PostLinks.xml is missing; it says which question is a duplicate"),
        (["PostLinks.xml"], "Posts.xml is missing; both .* Found PostLinks.xml"),
        ([], "Posts.xml is missing; .* an empty folder"),
        (["travel.7z"], "unpack the dump first: 7z x travel.7z"),
    ],
)
def test_a_missing_table_is_named(present: list[str], message: str, tmp_path: Path) -> None:
    """The user learns which table is missing, what it is for, and what is there."""
    for name in present:
        (tmp_path / name).write_text("<posts/>")
    with pytest.raises(ConverterError, match=message):
        convert(tmp_path, tmp_path / "out", LOOSE)


def test_lower_case_names_are_found(tmp_path: Path) -> None:
    """The oldest dumps write posts.xml."""
    dump = write_dump(tmp_path / "d", [question(1), answer(2, 1), question(3)], [link(3, 1)])
    (dump / "Posts.xml").rename(dump / "posts.xml")
    assert convert(dump, tmp_path / "out", LOOSE).faqs == 1


def test_memory_does_not_grow_with_the_dump(tmp_path: Path) -> None:
    """Reading 40 MB of posts takes a few megabytes, because nothing but ids is kept."""
    dump = write_dump(tmp_path / "d", [], [link(3, 1), link(100, 1)])
    filler = table("posts", [question(1), answer(2, 1), question(3)]).rsplit("\r\n", 1)[0]
    body = "lorem ipsum " * 160
    with (dump / "Posts.xml").open("w", encoding="utf-8") as file:
        file.write(filler)
        for post in range(4, 20_000):
            file.write(
                f'<row Id="{post}" PostTypeId="{post % 2 + 1}" Body="{body}" ParentId="3"/>\n'
            )
        file.write("</posts>")
    assert (dump / "Posts.xml").stat().st_size > 35_000_000
    tracemalloc.start()
    try:
        convert(dump, tmp_path / "out", LOOSE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_damaged_links_are_refused_by_file_and_line(tmp_path: Path) -> None:
    """The message names the table that is damaged, not the other one."""
    dump = write_dump(tmp_path / "dump", [question(1)], [link(2, 1)])
    text = (dump / "PostLinks.xml").read_text("utf-8-sig")
    (dump / "PostLinks.xml").write_text(text.replace("</postlinks>", ""))
    with pytest.raises(ConverterError, match=r"PostLinks.xml: line 4: .*no element found"):
        convert(dump, tmp_path / "out", LOOSE)
