"""What a row of Posts.xml says: its tags, its text, who wrote it and under which licence."""

import re
from dataclasses import dataclass
from typing import Any

from converters.stackexchange.dump import Row

QUESTION = "1"
ANSWER = "2"

_TAG = re.compile(r"[^<>|\s]+")
_SITE = re.compile(
    r"(?:[a-z0-9-]+\.)*(?:(?:stackexchange|stackoverflow|superuser|serverfault|askubuntu|stackapps)"
    r"\.com|mathoverflow\.net)"
)
_COMMUNITY_USER = "-1"  # scripts of the sites; their edits do not change a post's licence

# https://stackoverflow.com/help/licensing: a version holds from this day (UTC) on.
_LICENCES = (
    ("2018-05-02", "CC BY-SA 4.0"),
    ("2011-04-08", "CC BY-SA 3.0"),
    ("", "CC BY-SA 2.5"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the posts were published.

    Args:
        host: such as "stackoverflow.com"; empty when unknown, and then there are no links.
    """

    host: str = ""

    @classmethod
    def of_folder(cls, name: str) -> "Site":
        """Guess from a dump folder's name; folders are named after the site more often than not."""
        return cls(name.lower() if _SITE.fullmatch(name.lower()) else "")

    def link(self, kind: str, number: int | str) -> str:
        """Return the address of one of the "questions", "a" (answers) or "users"."""
        return f"https://{self.host}/{kind}/{number}" if self.host else ""


def number_of(row: Row, column: str) -> int | None:
    """Return a column as a whole number, or None when it is missing or something else."""
    try:
        return int(row[column])
    except (KeyError, ValueError):
        return None


def tags_of(row: Row) -> list[str]:
    """Return the tags in lower case, from the older form `<a><b>` or the newer `|a|b|`."""
    return _TAG.findall(row.get("Tags", "").lower())


def text_of(row: Row) -> str:
    """Return title and HTML body as one text, put together as everywhere in this package."""
    return ". ".join(part for part in (row.get("Title", ""), row.get("Body", "")) if part)


def licence_of(row: Row) -> str:
    """Return the licence of a post's present text, such as "CC BY-SA 4.0".

    Newer dumps say it themselves. For older ones it follows from the day of the latest version of
    the text, because an edit publishes it anew.
    """
    if stated := row.get("ContentLicense"):
        return stated
    written = row.get("CreationDate", "")
    if row.get("LastEditorUserId") != _COMMUNITY_USER:
        written = max(written, row.get("LastEditDate", ""))
    if not written:
        return "CC BY-SA"
    return next(licence for since, licence in _LICENCES if written >= since)


def faq_record(question: Row, answer: Row, site: Site) -> dict[str, Any]:
    """Return the line of faqs.jsonl for a question and the answer chosen for it."""
    credit = f"{_credit(question, site, 'questions')}; {_credit(answer, site, 'a')}"
    return {
        **_question_fields(question),
        "answer_id": int(answer["Id"]),
        "answer": answer["Body"],
        **_source_fields(question, site, credit),
    }


def duplicate_record(question: Row, originals: tuple[int, ...], site: Site) -> dict[str, Any]:
    """Return the line of duplicates.jsonl for a question that asks what `originals` ask."""
    return {
        **_question_fields(question),
        "duplicate_of": list(originals),
        **_source_fields(question, site, _credit(question, site, "questions")),
    }


def _question_fields(row: Row) -> dict[str, Any]:
    texts = {"title": row.get("Title", ""), "body": row.get("Body", "")}
    return {"id": int(row["Id"]), **{name: text for name, text in texts.items() if text}}


def _source_fields(row: Row, site: Site, credit: str) -> dict[str, str]:
    url = site.link("questions", int(row["Id"]))
    return {**({"url": url} if url else {}), "attribution": credit}


def _credit(row: Row, site: Site, kind: str) -> str:
    """Return who wrote a post, where it stands and its licence, in one phrase."""
    name = "Answer" if kind == "a" else "Question"
    parts = [f"{name} {row['Id']} by {_author(row, site)}", site.link(kind, row["Id"])]
    return ", ".join([*filter(None, parts), licence_of(row)])


def _author(row: Row, site: Site) -> str:
    owner = row.get("OwnerUserId", "")
    name = row.get("OwnerDisplayName", "")
    if owner and owner != _COMMUNITY_USER:
        profile = site.link("users", owner)
        name = f"{name or f'user {owner}'}{f' ({profile})' if profile else ''}"
    if "CommunityOwnedDate" in row:
        return f"{name} and others (community wiki)" if name else "the community (wiki)"
    return name or "a deleted user"
