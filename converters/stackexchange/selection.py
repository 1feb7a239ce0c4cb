"""Chooses FAQs and duplicates by the reference implementation's rules, from ids and lengths only.

One pass over Posts.xml notes what the rules ask about the questions that duplicate links name; no
text is kept. The rules then run on these notes, and a table records what each one removed.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from converters.stackexchange.dump import Row
from converters.stackexchange.links import Links, follow_chains
from converters.stackexchange.posts import ANSWER, QUESTION, number_of, tags_of, text_of
from modelserver.cleaning import clean_text


@dataclass(frozen=True, slots=True)
class Rules:
    """Which questions become FAQs.

    Args:
        tags: a FAQ has at least one of these; every question qualifies when empty.
        min_text_length: characters of clean text that a FAQ or duplicate needs.
        min_duplicates: duplicates that a FAQ needs after the other rules.
    """

    tags: tuple[str, ...] = ()
    min_text_length: int = 150
    min_duplicates: int = 12


@dataclass(slots=True)
class Notes:
    """What one pass over Posts.xml found.

    Args:
        kinds: posts read by PostTypeId.
        tags: questions by tag.
        repeated: question rows left out because their id came before.
        lengths: linked question id -> characters of its clean text.
        originals: linked-to question id, with one of the tags -> its accepted answer or None.
        answers: linked-to question id -> (score, minus answer id) of each of its answers.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    lengths: dict[int, int] = field(default_factory=dict)
    originals: dict[int, int | None] = field(default_factory=dict)
    answers: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def answer_of(self, question: int) -> int | None:
        """Return the accepted answer, or else the best scored, the older one of equals."""
        answers = self.answers.get(question, [])
        accepted = self.originals[question]
        if any(-negative_id == accepted for _, negative_id in answers):
            return accepted
        return -max(answers)[1] if answers else None


@dataclass(frozen=True, slots=True)
class Step:
    """What a rule left over.

    Args:
        rule: in words, with the option that changes it.
        questions: originals left after it.
        duplicates: duplicates left after it.
    """

    rule: str
    questions: int
    duplicates: int


@dataclass(slots=True)
class Selection:
    """What the rules kept.

    Args:
        questions: ids of the FAQs.
        duplicates: duplicate id -> its FAQs.
        steps: from all duplicate links down to what is kept, one for each rule.
        most_duplicates: of any question, before the rule on their number.
    """

    questions: set[int]
    duplicates: dict[int, tuple[int, ...]]
    steps: list[Step] = field(default_factory=list)
    most_duplicates: int = 0

    def note(self, rule: str) -> None:
        """Record how many are left."""
        self.steps.append(Step(rule, len(self.questions), len(self.duplicates)))

    def keep(
        self,
        rule: str,
        question: Callable[[int], bool],
        duplicate: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """Keep the questions and duplicates that pass a rule, and of these those with a match."""
        self.questions = set(filter(question, self.questions))
        matched = {
            post: tuple(filter(self.questions.__contains__, originals))
            for post, originals in self.duplicates.items()
            if duplicate(post)
        }
        self.duplicates = {post: originals for post, originals in matched.items() if originals}
        self.questions &= self.sizes().keys()
        self.note(rule)

    def sizes(self) -> Counter[int]:
        """Return the number of duplicates of each question that has any."""
        return Counter(original for group in self.duplicates.values() for original in group)


def note_posts(rows: Iterable[Row], links: Links, tags: Iterable[str]) -> Notes:
    """Pass over Posts.xml once and note what the rules need.

    Args:
        rows: all posts, in any order.
        links: the duplicate links.
        tags: lower-case tags, one of which an original must have; none for all.
    """
    notes = Notes()
    targets = links.targets()
    wanted = frozenset(tags)
    for row in rows:
        kind, post = row.get("PostTypeId", ""), number_of(row, "Id")
        notes.kinds[kind if post is not None else ""] += 1
        if post is None:
            continue
        if kind == QUESTION:
            _note_question(notes, row, post, wanted, post in links.originals, post in targets)
        elif kind == ANSWER:
            _note_answer(notes, row, post, targets)
    return notes


def _note_question(
    notes: Notes, row: Row, post: int, wanted: frozenset[str], linked: bool, target: bool
) -> None:
    tags = tags_of(row)
    notes.tags.update(tags)
    if not (linked or target):
        return
    if post in notes.lengths:
        notes.repeated += 1
        return
    notes.lengths[post] = len(clean_text(text_of(row)))
    if target and (not wanted or not wanted.isdisjoint(tags)):
        notes.originals[post] = number_of(row, "AcceptedAnswerId")


def _note_answer(notes: Notes, row: Row, post: int, targets: set[int]) -> None:
    question = number_of(row, "ParentId")
    if question not in targets or question is None or not row.get("Body", "").strip():
        return
    if question in notes.originals or question not in notes.lengths:
        score = number_of(row, "Score") or 0
        notes.answers.setdefault(question, []).append((score, -post))


def select(notes: Notes, links: Links, rules: Rules) -> Selection:
    """Apply the rules in the reference's order; `steps` of the result tells what each removed."""
    ends = follow_chains(links, notes.originals)
    selection = Selection(links.targets(), links.originals)
    selection.note("all duplicate links")
    selection.questions &= notes.lengths.keys()
    selection.duplicates = {post: ends[post] for post in links.originals if post in notes.lengths}
    selection.note("are questions of Posts.xml")
    selection.questions &= notes.originals.keys()
    selection.duplicates = {post: roots for post, roots in selection.duplicates.items() if roots}
    tags = f"has the tag {' or '.join(rules.tags)}" if rules.tags else "is there"
    selection.note(f"original {tags}")
    roots = {root for originals in ends.values() for root in originals}
    selection.keep("matched with each other, chains followed", roots.__contains__)
    selection.keep("original has an answer", lambda post: notes.answer_of(post) is not None)
    at_least = max(rules.min_text_length, 1)
    selection.keep(
        f"text of {at_least} characters or more (--min-text-length)",
        lambda post: notes.lengths[post] >= at_least,
        lambda post: notes.lengths[post] >= at_least,
    )
    sizes = selection.sizes()
    selection.most_duplicates = max(sizes.values(), default=0)
    at_least = max(rules.min_duplicates, 1)
    selection.keep(
        f"{at_least} duplicates or more (--min-duplicates)", lambda post: sizes[post] >= at_least
    )
    return selection
