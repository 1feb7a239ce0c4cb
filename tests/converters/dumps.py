"""Writes tiny Stack Exchange dumps for the tests, and reads what is made of them."""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from converters.stackexchange.command import Options
from converters.stackexchange.selection import Rules

Row = dict[str, Any]

LOOSE = Options(Rules(min_text_length=0, min_duplicates=1))
"""Options that keep every duplicate with an answered original."""


def question(post: int, **more: Any) -> Row:
    """A question row with the columns that every dump has."""
    fixed = {"Id": post, "PostTypeId": 1, "CreationDate": "2012-05-05T10:00:00.000", "Score": 1}
    return {**fixed, "Title": f"Title {post}", "Body": f"<p>Body {post}</p>", "Tags": "<js>"} | more


def answer(post: int, parent: int, score: int = 1, **more: Any) -> Row:
    """An answer row."""
    fixed = {"Id": post, "PostTypeId": 2, "ParentId": parent, "Score": score}
    return {**fixed, "CreationDate": "2019-05-05T10:00:00.000", "Body": f"<p>A {post}</p>"} | more


def link(duplicate: int, original: int, kind: int = 3) -> Row:
    """A row of PostLinks.xml."""
    return {"Id": 1, "PostId": duplicate, "RelatedPostId": original, "LinkTypeId": kind}


def table(root: str, rows: list[Row]) -> str:
    """A table as the dumps write it, but for the BOM."""
    lines = [
        "  <row " + " ".join(f"{k}={quoteattr(str(v))}" for k, v in row.items()) + " />"
        for row in rows
    ]
    head = '<?xml version="1.0" encoding="utf-8"?>'
    return "\r\n".join([head, f"<{root}>", *lines, f"</{root}>"])


def write_dump(folder: Path, posts: list[Row], links: list[Row]) -> Path:
    """Write a dump with BOMs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Posts.xml").write_text(table("posts", posts), "utf-8-sig")
    (folder / "PostLinks.xml").write_text(table("postlinks", links), "utf-8-sig")
    return folder


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def labels(folder: Path) -> tuple[dict[int, int], dict[int, list[int]]]:
    """FAQ -> answer, and duplicate -> FAQs, as written."""
    faqs = {faq["id"]: faq["answer_id"] for faq in lines_of(folder / "faqs.jsonl")}
    return faqs, {d["id"]: d["duplicate_of"] for d in lines_of(folder / "duplicates.jsonl")}


def left_over(folder: Path) -> list[str]:
    """Everything below a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
