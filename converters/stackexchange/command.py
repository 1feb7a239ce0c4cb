"""Make FAQ files from a Stack Exchange data dump.

Reads Posts.xml and PostLinks.xml of an unpacked dump and writes faqs.jsonl (questions that others
were closed as duplicates of, with their answers) and duplicates.jsonl, ready for the `faq` command.
Posts.xml is read twice, in constant memory whatever its size. The texts are under CC BY-SA: every
line carries its attribution, and docs/stackexchange.md says what that asks of you.

Example:
    python -m converters stackexchange dumps/stackoverflow.com --tag javascript -o data/javascript
"""

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path

from converters.errors import ConverterError
from converters.stackexchange.dump import POST_LINKS, POSTS, find_table, read_rows
from converters.stackexchange.files import check_output, new_files, write_records
from converters.stackexchange.links import read_links
from converters.stackexchange.posts import Site
from converters.stackexchange.report import (
    Summary,
    next_command,
    nothing_left,
    report_of,
    summary_of,
    unknown_tag,
)
from converters.stackexchange.selection import Rules, note_posts, select

NAME = "stackexchange"
HELP = "make FAQ files from a Stack Exchange dump"

_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class Options:
    """How a dump is converted.

    Args:
        rules: which questions are taken.
        site: host for links; None to take it from the folder's name.
        overwrite: whether existing files may be replaced.
    """

    rules: Rules = field(default_factory=Rules)
    site: str | None = None
    overwrite: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    rules = Rules()
    parser.add_argument("dump", metavar="DUMP_DIR", help="folder of the unpacked dump")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        help="FAQs must have this tag; repeat it to take more tags (default: the whole site)",
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT_DIR", help="output folder")
    parser.add_argument(
        "--min-text-length",
        type=_whole_number,
        default=rules.min_text_length,
        metavar="CHARACTERS",
        help="leave out FAQs and duplicates with less clean text (default: %(default)s)",
    )
    parser.add_argument(
        "--min-duplicates",
        type=_whole_number,
        default=rules.min_duplicates,
        metavar="COUNT",
        help="leave out FAQs with fewer duplicates (default: %(default)s, at least 1)",
    )
    parser.add_argument(
        "--site",
        type=_host,
        help="host of the site, for links (default: the folder's name where that is one)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier run")


def run(arguments: argparse.Namespace) -> int:
    """Convert, print the report, and return the exit code."""
    tags = tuple(dict.fromkeys(tag.strip().lower() for tag in arguments.tag))
    rules = Rules(tags, arguments.min_text_length, arguments.min_duplicates)
    options = Options(rules, arguments.site, arguments.overwrite)
    output = Path(arguments.output)
    summary = convert(Path(arguments.dump), output, options)
    print(report_of(summary, output).to_text(), end="")
    print(f"\nNext:\n  {next_command(output, tags)}")
    return 0


def convert(dump: Path, output: Path, options: Options) -> Summary:
    """Write the FAQ and duplicates files of a dump; nothing is left behind on failure.

    Args:
        dump: folder with Posts.xml and PostLinks.xml.
        output: folder for the two files; made when missing.
        options: how.

    Returns:
        What was read, what each rule left, and what was written.

    Raises:
        ConverterError: a table is missing or damaged, or no question is left.
        UsageError: the dump is no folder, or the files exist already.
    """
    try:
        return _convert(dump, output, options)
    except OSError as error:
        raise ConverterError(f"{error.filename or output}: {error.strerror}") from error


def _convert(dump: Path, output: Path, options: Options) -> Summary:
    check_output(output, options.overwrite)
    posts, post_links = find_table(dump, POSTS), find_table(dump, POST_LINKS)
    site = Site.of_folder(dump.resolve().name) if options.site is None else Site(options.site)
    links = read_links(read_rows(post_links, "postlinks", "PostLinks.xml"))
    if not links.originals:
        raise ConverterError(
            f"{post_links}: none of its {links.rows:,} rows is a duplicate link (LinkTypeId 3)"
        )
    rows = read_rows(posts, "posts", "Posts.xml, first of two passes")
    notes = note_posts(rows, links, options.rules.tags)
    if problem := unknown_tag(notes, options.rules):
        raise ConverterError(f"{dump}: {problem}")
    selection = select(notes, links, options.rules)
    if not selection.questions:
        raise ConverterError(f"{dump}: {nothing_left(selection)}")
    answers = {post: notes.answer_of(post) or 0 for post in selection.questions}
    with new_files(output, options.overwrite) as files:
        rows = read_rows(posts, "posts", "Posts.xml, second pass")
        write_records(rows, selection, answers, site, files)
    return summary_of(site, links, notes, selection)


def _whole_number(text: str) -> int:
    """Read an option that counts something."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text!r}")
    return int(text)


def _host(text: str) -> str:
    """Read an option that names a host."""
    if not _HOST.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError(f"expected a host like stackoverflow.com, got {text!r}")
    return text.lower()
