"""The folder of API keys: what is read, what is refused, and how changes come in."""

import hashlib
import os
from pathlib import Path

import pytest

from modelserver.auth.keys import KeyDirectory, digest, new_key, read_keys
from modelserver.errors import SettingsError


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def line(key: str) -> str:
    """What the file of a client holds for a key."""
    return hashlib.sha256(key.encode()).hexdigest() + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clients; one of them has two keys."""
    (tmp_path / "webshop").write_text(
        "# first\n" + line("a") + "\n" + line("b").upper() + "  # new"
    )
    (tmp_path / "nightly-batch").write_text(line("c"))
    return tmp_path


@pytest.mark.parametrize(
    ("key", "client"),
    [("a", "webshop"), ("b", "webshop"), ("c", "nightly-batch"), ("d", None), ("", None)],
)
def test_a_key_has_one_client(folder: Path, key: str, client: str | None) -> None:
    """Every key of a client leads to its name, and any other text to nobody."""
    assert KeyDirectory(folder).client(key) == client


@pytest.mark.parametrize("key", ["é", "\udcff", "a" * 100_000, "a\n", line("a").strip()])
def test_odd_keys_are_nobodys(folder: Path, key: str) -> None:
    """Text that HTTP can carry and the digest itself are keys of no client."""
    assert KeyDirectory(folder).client(key) is None


def test_new_keys_are_unlike() -> None:
    """A key has 256 random bits and begins so that scanners for secrets find it."""
    first, second = new_key(), new_key()
    assert first != second
    assert first.startswith("msk_")
    assert len(first) >= 4 + 256 / 6


def test_changes_come_in_within_a_second(folder: Path) -> None:
    """A key that is added counts, and one that is removed does not, a second later."""
    clock, outcomes = Clock(), []
    keys = KeyDirectory(folder, outcomes.append, clock)
    (folder / "webshop").write_text(line("new"))
    clock.now += 1
    assert [keys.client(key) for key in ("new", "a", "b", "c")] == [
        "webshop",
        None,
        None,
        "nightly-batch",
    ]
    assert outcomes == [""]


def test_the_folder_is_not_read_for_each_request(folder: Path) -> None:
    """Within a second the folder is not looked at."""
    clock = Clock()
    keys = KeyDirectory(folder, clock=clock)
    (folder / "webshop").unlink()
    clock.now += 0.9
    assert keys.client("a") == "webshop"


def test_a_slip_locks_nobody_out(folder: Path) -> None:
    """While a file is wrong, the keys from before count; it is said once; mending it is seen."""
    clock, outcomes = Clock(), []
    keys = KeyDirectory(folder, outcomes.append, clock)
    (folder / "webshop").write_text("not a digest\n" + line("new"))
    for _ in range(3):
        clock.now += 1
        assert [keys.client("a"), keys.client("new")] == ["webshop", None]
    (folder / "webshop").write_text(line("new"))
    clock.now += 1
    assert [keys.client("a"), keys.client("new")] == [None, "webshop"]
    assert [bool(problem) for problem in outcomes] == [True, False]
    assert "webshop:1: expected a SHA-256" in outcomes[0]


def test_a_mounted_secret(tmp_path: Path) -> None:
    """Kubernetes' way to change a Secret, a link moved to another folder, is seen."""
    clock = Clock()
    for name, key in (("..1", "a"), ("..2", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "webshop").write_text(line(key))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "webshop").symlink_to("..data/webshop")
    keys = KeyDirectory(tmp_path, clock=clock)
    assert keys.client("a") == "webshop"
    (tmp_path / "..new").symlink_to("..2")
    os.replace(tmp_path / "..new", tmp_path / "..data")
    clock.now += 1
    assert [keys.client("a"), keys.client("b")] == [None, "webshop"]


def test_an_empty_folder_lets_nobody_in(tmp_path: Path) -> None:
    """No client yet is not the same as no keys wanted."""
    assert KeyDirectory(tmp_path).client("a") is None


WRONG = {
    "a key instead of its digest": ("webshop", "msk_secret", "expected a SHA-256"),
    "too short": ("webshop", "ab" * 31, "expected a SHA-256"),
    "two on a line": ("webshop", "ab" * 64, "expected a SHA-256"),
    "binary": ("webshop", "\x00\xff", "expected a SHA-256"),
    "a name with a space": ("web shop", line("x"), "the file name is the client's name"),
    "a name that is too long": ("x" * 64, line("x"), "the file name is the client's name"),
    "too large": ("webshop", "#" * 70_000, "more than 65536 bytes"),
    "another client's key": ("webshop2", line("c"), "holds a key of the client nightly-batch"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(folder: Path, case: str) -> None:
    """A file that means nothing stops the start, named, and what it holds is not repeated."""
    name, content, message = WRONG[case]
    (folder / name).write_text(content, "latin-1")
    with pytest.raises(SettingsError, match=message) as caught:
        read_keys(folder)
    assert content[:16] not in str(caught.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there stops the start, because it would let nobody in."""
    with pytest.raises(SettingsError, match=r"api_keys_dir: .*nowhere: No such file or directory$"):
        KeyDirectory(tmp_path / "nowhere")


def test_digest_is_sha256() -> None:
    """What `sha256sum` prints for a key is what its file holds."""
    assert digest("abc").hex().startswith("ba7816bf8f01cfea")
