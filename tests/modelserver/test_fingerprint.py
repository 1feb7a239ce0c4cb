"""Whether the files of a folder have changed."""

import os
from pathlib import Path

import pytest

from modelserver.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and a folder with another."""
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").write_text("two")
    for name in ("a", "b/c"):
        os.utime(tmp_path / name, ns=(1, 1))
    return tmp_path


def test_what_is_seen(folder: Path) -> None:
    """Every file counts with its path, size and time, also those in folders."""
    assert fingerprint(folder) == (("a", 3, 1), ("b/c", 3, 1))


@pytest.mark.parametrize("change", ["size", "time", "new", "gone", "name"])
def test_changes_are_seen(folder: Path, change: str) -> None:
    """A file of another size or time, a new one, a missing one and another name all count."""
    before = fingerprint(folder)
    if change == "size":
        (folder / "a").write_text("longer")
        os.utime(folder / "a", ns=(1, 1))
    elif change == "time":
        os.utime(folder / "b" / "c", ns=(1, 2))
    elif change == "new":
        (folder / "b" / "d").touch()
    elif change == "gone":
        (folder / "a").unlink()
    else:
        (folder / "a").rename(folder / "z")
    assert fingerprint(folder) != before


def test_links_are_followed(folder: Path) -> None:
    """A mounted ConfigMap changes where its links lead; a link in place of a file is a change."""
    (folder / "link").symlink_to("a")
    assert ("link -> a", 3, 1) in fingerprint(folder)


def test_broken_link_and_missing_folder(folder: Path) -> None:
    """What vanishes while it is looked at is left out."""
    (folder / "link").symlink_to("nowhere")
    assert [name for name, _, _ in fingerprint(folder)] == ["a", "b/c"]
    assert fingerprint(folder / "nowhere") == ()
