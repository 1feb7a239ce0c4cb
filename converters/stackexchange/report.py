"""Tells what a conversion of a dump read, what each rule left, and what to do next."""

import difflib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from converters.report import Report
from converters.stackexchange.files import DUPLICATES, FAQS
from converters.stackexchange.links import Links
from converters.stackexchange.posts import ANSWER, QUESTION, Site
from converters.stackexchange.selection import Notes, Rules, Selection, Step

_RULES = "Rules: what each one left and removed"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a conversion read and wrote.

    Args:
        site: host of the links, empty when unknown.
        read: what was read -> how many.
        steps: what was left after each rule.
        faqs: lines of faqs.jsonl.
        duplicates: lines of duplicates.jsonl.
        faq_characters: mean length of the FAQs' clean text.
        duplicate_characters: mean length of the duplicates' clean text.
        sizes: duplicates of each FAQ, largest first; one that has two FAQs counts for both.
    """

    site: str
    read: dict[str, int]
    steps: tuple[Step, ...]
    faqs: int
    duplicates: int
    faq_characters: float
    duplicate_characters: float
    sizes: tuple[int, ...]

    @property
    def largest_share(self) -> float:
        """Share of the duplicates that the largest FAQ has, between 0 and 1."""
        return self.sizes[0] / sum(self.sizes)


def summary_of(site: Site, links: Links, notes: Notes, selection: Selection) -> Summary:
    """Gather the numbers of a conversion that has been carried out."""
    named = {kind: notes.kinds[kind] for kind in (QUESTION, ANSWER, "")}
    read = {
        "questions": named[QUESTION],
        "answers": named[ANSWER],
        "other posts": notes.kinds.total() - sum(named.values()),
        "posts without a usable id or type, left out": named[""],
        "links": links.rows,
        "duplicate links without two different ids, left out": links.unusable,
        "linked questions with an id seen before, left out": notes.repeated,
    }
    return Summary(
        site.host,
        read,
        tuple(selection.steps),
        len(selection.questions),
        len(selection.duplicates),
        mean(notes.lengths[post] for post in selection.questions),
        mean(notes.lengths[post] for post in selection.duplicates),
        tuple(sorted(selection.sizes().values(), reverse=True)),
    )


def report_of(summary: Summary, output: Path) -> Report:
    """Lay out a summary for the user."""
    report = Report(
        f"Wrote {summary.faqs:,} FAQs and {summary.duplicates:,} duplicates to {output}"
    )
    report.section("Read", {name: f"{count:,}" for name, count in summary.read.items()})
    report.table(_RULES, _rows(summary.steps))
    sizes = summary.sizes
    report.section(
        "Written",
        {
            "characters of a FAQ, mean": f"{summary.faq_characters:.1f}",
            "characters of a duplicate, mean": f"{summary.duplicate_characters:.1f}",
            "duplicates of a FAQ": f"mean {mean(sizes):.1f}, median {median(sizes):g}, "
            f"largest {sizes[0]:,}",
            "largest FAQ's share of the duplicates": f"{summary.largest_share:.2%}",
            "links lead to": summary.site
            or "nowhere: the site is unknown; set --site, because the licence asks for links",
        },
    )
    return report


def _rows(steps: Sequence[Step]) -> list[dict[str, str]]:
    """Lay out the rules as a table: what each one left, and what it removed."""
    return [
        {
            "rule": step.rule,
            "questions": f"{step.questions:,}",
            "removed": _removed(step.questions - before.questions),
            "duplicates": f"{step.duplicates:,}",
            # A column of the same heading; the space keeps it apart in the row.
            "removed ": _removed(step.duplicates - before.duplicates),
        }
        for before, step in zip((steps[0], *steps), steps, strict=False)
    ]


def _removed(change: int) -> str:
    return f"{change:,}" if change else ""


def unknown_tag(notes: Notes, rules: Rules) -> str | None:
    """Say which wanted tag no question has and what is close to it; None when all are known."""
    for tag in rules.tags:
        if not notes.tags[tag]:
            near = difflib.get_close_matches(tag, notes.tags)
            common = [other for other, _ in notes.tags.most_common(8) if other not in near]
            return f"no question has the tag {tag!r}; there are {', '.join(near + common)}"
    return None


def nothing_left(selection: Selection) -> str:
    """Say which rule removed the last question, how to relax it, and what the others removed."""
    steps = selection.steps
    after = next(index for index, step in enumerate(steps) if not step.questions)
    message = (
        f"no question is left: {steps[after - 1].questions:,} were, and then the rule "
        f'"{steps[after].rule}" removed them.'
    )
    if most := selection.most_duplicates:
        message += f" The largest number of duplicates is {most}: try --min-duplicates {most}."
    report = Report(message)
    report.table(_RULES, _rows(steps))
    return report.to_text().rstrip()


def next_command(output: Path, tags: Sequence[str]) -> str:
    """Return the command that makes a model of the two files."""
    name = "-".join(tags) or output.resolve().name.lower()
    name = re.sub("[^a-z0-9]+", "-", name[:55]).strip("-")
    faqs, duplicates = (shlex.quote(str(output / file)) for file in (FAQS, DUPLICATES))
    return (
        f"python -m converters faq --faqs {faqs} --duplicates {duplicates} "
        f"--output models --name {f'{name}-faq'.strip('-')}"
    )
