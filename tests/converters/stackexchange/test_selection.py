"""FAQs and duplicates are chosen by stated rules, one test for each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.stackexchange.command import Options, convert
from converters.stackexchange.links import Links, follow_chains
from converters.stackexchange.selection import Rules
from tests.converters.dumps import LOOSE, Row, answer, labels, link, question, write_dump

LONG = "<p>" + "word " * 40 + "</p>"

RULES: dict[str, tuple[list[Row], list[Row], Rules, dict[int, int], dict[int, list[int]]]] = {
    "PostId is the duplicate, RelatedPostId the original": (
        [question(1), answer(2, 1), question(3)],
        [link(3, 1)],
        LOOSE.rules,
        {1: 2},
        {3: [1]},
    ),
    "only links of type 3 count": (
        [question(1), answer(2, 1), question(3), question(4)],
        [link(3, 1), link(4, 1, kind=1), link(4, 1, kind=5)],
        LOOSE.rules,
        {1: 2},
        {3: [1]},
    ),
    "the accepted answer wins over a better scored one": (
        [question(1, AcceptedAnswerId=2), answer(2, 1, 0), answer(3, 1, 9), question(4)],
        [link(4, 1)],
        LOOSE.rules,
        {1: 2},
        {4: [1]},
    ),
    "without an accepted answer in the dump the best scored one is taken, the older of equals": (
        [
            question(1, AcceptedAnswerId=99),
            answer(2, 1, -3),
            answer(3, 1, 5),
            answer(5, 1, 5),
            question(4),
        ],
        [link(4, 1)],
        LOOSE.rules,
        {1: 3},
        {4: [1]},
    ),
    "an answer without text is no answer": (
        [
            question(1, AcceptedAnswerId=2),
            answer(2, 1, Body=" "),
            answer(3, 1),
            question(4),
            question(5),
            answer(6, 5, Body=""),
            question(7),
        ],
        [link(4, 1), link(7, 5)],
        LOOSE.rules,
        {1: 3},
        {4: [1]},
    ),
    "questions without an answer go, and their duplicates with them": (
        [question(1), question(2), question(3), answer(4, 3), question(5)],
        [link(2, 1), link(5, 3), link(5, 1)],
        LOOSE.rules,
        {3: 4},
        {5: [3]},
    ),
    "FAQs need one of the tags, duplicates need none": (
        [
            question(1, Tags="<JS><css>"),
            answer(2, 1),
            question(3, Tags="<php>"),
            question(4, Tags="<php>"),
            answer(5, 4),
            question(6, Tags="<js>"),
            question(7, Tags="<dom>"),
            answer(8, 7),
            question(9, Tags=""),
        ],
        [link(3, 1), link(6, 4), link(9, 7)],
        Rules(("js", "dom"), 0, 1),
        {1: 2, 7: 8},
        {3: [1], 9: [7]},
    ),
    "the length is that of the clean text, without markup and code": (
        [
            question(1, Body=LONG),
            answer(2, 1),
            question(3, Body=LONG),
            question(4, Body=f"<pre><code>{'x' * 999}</code></pre>"),
            question(5, Body="short"),
        ],
        [link(3, 1), link(4, 1), link(5, 1)],
        Rules(min_text_length=150, min_duplicates=1),
        {1: 2},
        {3: [1]},
    ),
    "a short original takes its duplicates away": (
        [
            question(1),
            answer(2, 1),
            question(3, Body=LONG),
            question(4, Body=LONG),
            answer(5, 4),
            question(6, Body=LONG),
        ],
        [link(3, 1), link(6, 4)],
        Rules(min_text_length=150, min_duplicates=1),
        {4: 5},
        {6: [4]},
    ),
    "duplicates are counted after the other rules": (
        [
            question(1, Body=LONG),
            answer(2, 1),
            question(3, Body=LONG),
            question(4, Body="short"),
            question(5, Body=LONG),
            answer(6, 5),
            question(7, Body=LONG),
            question(8, Body=LONG),
        ],
        [link(3, 1), link(4, 1), link(7, 5), link(8, 5)],
        Rules(min_text_length=150, min_duplicates=2),
        {5: 6},
        {7: [5], 8: [5]},
    ),
    "a question may have several originals, each once": (
        [question(1), answer(2, 1), question(3), answer(4, 3), question(5)],
        [link(5, 3), link(5, 1), link(5, 3)],
        LOOSE.rules,
        {1: 2, 3: 4},
        {5: [3, 1]},
    ),
    "a chain ends at the original that is no duplicate": (
        [question(1), answer(2, 1), question(3), answer(4, 3), question(5)],
        [link(5, 3), link(3, 1)],
        LOOSE.rules,
        {1: 2},
        {5: [1], 3: [1]},
    ),
    "a chain passes through a deleted question, and ends before one": (
        [question(1), answer(2, 1), question(4), question(5), answer(6, 5), question(7)],
        [link(4, 3), link(3, 1), link(7, 5), link(5, 99)],
        LOOSE.rules,
        {1: 2, 5: 6},
        {4: [1], 7: [5]},
    ),
    "of two questions closed as each other's duplicates the older is the original": (
        [question(1), answer(2, 1), question(3), answer(4, 3), question(5)],
        [link(1, 3), link(3, 1), link(5, 3)],
        LOOSE.rules,
        {1: 2},
        {3: [1], 5: [1]},
    ),
    "links to oneself and to posts that are no questions are left out": (
        [question(1), answer(2, 1), question(3), question(5), answer(7, 2)],
        [link(3, 1), link(1, 1), link(5, 2), link(7, 1), link(88, 1)],
        LOOSE.rules,
        {1: 2},
        {3: [1]},
    ),
    "posts may come in any order": (
        [answer(2, 1, 7), question(3), answer(4, 1, 9), question(1, AcceptedAnswerId=2)],
        [link(3, 1)],
        LOOSE.rules,
        {1: 2},
        {3: [1]},
    ),
}


@pytest.mark.parametrize(
    ("posts", "links", "rules", "faqs", "duplicates"), RULES.values(), ids=RULES
)
def test_rules(
    posts: list[Row],
    links: list[Row],
    rules: Rules,
    faqs: dict[int, int],
    duplicates: dict[int, list[int]],
    tmp_path: Path,
) -> None:
    """The rule that is the test's name decides what is written."""
    convert(write_dump(tmp_path / "dump", posts, links), tmp_path / "out", Options(rules))
    assert labels(tmp_path / "out") == (faqs, duplicates)


def test_each_rule_records_what_it_left(tmp_path: Path) -> None:
    """Questions without a duplicate and duplicates without a question go with the rule."""
    posts = [question(1, Body=LONG), answer(2, 1), question(3, Body=LONG), question(4, Body=LONG)]
    posts += [question(5, Body=LONG), answer(6, 5), question(7), question(8, Body=LONG)]
    posts += [question(9, Tags="<css>"), question(10), question(11, Body=LONG)]
    links = [link(3, 1), link(4, 1), link(8, 3), link(7, 5), link(10, 9), link(11, 8), link(3, 77)]
    links += [link(78, 8), link(4, 10)]
    rules = Rules(("js",), 150, 2)
    summary = convert(write_dump(tmp_path / "d", posts, links), tmp_path / "out", Options(rules))
    assert [(step.questions, step.duplicates) for step in summary.steps] == [
        (7, 7),  # 1 3 5 8 9 10 77, and 3 4 7 8 10 11 78
        (6, 6),  # 77 and 78 are not in the dump
        (5, 5),  # 9 has another tag, so 10 is an original: of 4
        (3, 5),  # 3 and 8 are duplicates of 1
        (2, 5),  # 10 has no answer
        (1, 4),  # 7 is short, and leaves 5 alone
        (1, 4),
    ]


def test_a_chain_of_any_length_is_followed() -> None:
    """A hundred thousand links in a row neither recurse nor take quadratic time."""
    links = Links({post: (post - 1,) for post in range(2, 100_001)})
    assert set(follow_chains(links, {1}).values()) == {(1,)}


def test_a_circle_leaves_one_original() -> None:
    """However long a circle is, following it ends, and no original is a duplicate."""
    links = Links({post: (post % 1000 + 1,) for post in range(1, 1001)})
    found = follow_chains(links, range(1, 1001))
    ends = {end for originals in found.values() for end in originals}
    assert len(ends) == 1
    assert not any(found[end] for end in ends)


@given(
    st.dictionaries(st.integers(1, 12), st.lists(st.integers(1, 12), max_size=3)),
    st.sets(st.integers(1, 12)),
)
def test_chains_of_any_shape_end_at_originals(
    targets: dict[int, list[int]], usable: set[int]
) -> None:
    """Whatever the links are, an original is usable, can be reached, and is no duplicate."""
    graph = {post: tuple(t for t in found if t != post) for post, found in targets.items()}
    ends = follow_chains(Links(graph), usable)
    assert ends.keys() == graph.keys()
    for post, originals in ends.items():
        reached: set[int] = set()
        border = {post}
        while border:
            border = {t for near in border for t in graph.get(near, ())} - reached
            reached |= border
        assert set(originals) <= usable & reached
        assert not any(ends.get(original) for original in originals)
