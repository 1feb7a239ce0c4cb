"""Archives that may be hostile: nothing is ever written outside, and nothing without bounds."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modelserver.errors import FetchError
from modelserver.fetching import archive
from modelserver.fetching.archive import archive_mode, unpack


def entry(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """The bytes of one entry, whatever its name."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    padding = b"\0" * (-info.size % 512)
    return info.tobuf(tarfile.PAX_FORMAT) + content[: info.size] + padding


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., int]:
    """Unpack an archive of these entries into tmp_path / "out"."""

    def run(*entries: bytes, max_bytes: int = 10**6) -> int:
        path = tmp_path / "a.tar"
        path.write_bytes(b"".join(entries) + b"\0" * 1024)
        return unpack(path, "r:", tmp_path / "out", max_bytes)

    return run


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.tar", "r:"),
        ("a.tar.gz", "r:gz"),
        ("A.TGZ", "r:gz"),
        ("a.onnx", None),
        ("a.gz", None),
        ("tar", None),
    ],
)
def test_names_of_archives(name: str, mode: str | None) -> None:
    """The name says whether a file is unpacked."""
    assert archive_mode(name) == mode


def test_files_and_folders(opened: Callable[..., int], tmp_path: Path) -> None:
    """Files arrive with their content and ordinary permissions, whatever the archive says."""
    assert opened(entry("./", kind=tarfile.DIRTYPE), entry("./a/b", b"12"), entry("c", b"")) == 2
    assert (tmp_path / "out/a/b").read_bytes() == b"12"
    assert (tmp_path / "out/c").read_bytes() == b""
    assert not (tmp_path / "out/a/b").stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "a\\..\\..\\x", "a/.."])
def test_paths_that_lead_outside(name: str, opened: Callable[..., int], tmp_path: Path) -> None:
    """A path that leaves the folder refuses the whole archive."""
    with pytest.raises(FetchError, match="leads outside"):
        opened(entry(name))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "out"]


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
    ],
)
def test_other_things_than_files(kind: bytes, opened: Callable[..., int], tmp_path: Path) -> None:
    """Links, devices and pipes are refused: a link is a way outside."""
    with pytest.raises(FetchError, match="neither a file nor a folder"):
        opened(entry("x", kind=kind, link="/etc/passwd"))
    assert list((tmp_path / "out").iterdir()) == []


def test_sparse_file(opened: Callable[..., int], tmp_path: Path) -> None:
    """A sparse file can claim any size with a few bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("x")
        info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "99999"}
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(FetchError, match="neither a file nor a folder"):
        opened(buffer.getvalue())


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "a/")])
def test_one_path_twice(names: tuple[str, str], opened: Callable[..., int]) -> None:
    """Which of two files would win is not left to chance."""
    with pytest.raises(FetchError, match="twice"):
        opened(*(entry(n, kind=b"5" if n.endswith("/") else b"0") for n in names))


def test_total_size_is_bounded(opened: Callable[..., int], tmp_path: Path) -> None:
    """All files together may have exactly the limit, and not one byte more."""
    assert opened(entry("a", b"12"), entry("b", b"345"), max_bytes=5) == 2
    (tmp_path / "out").rename(tmp_path / "first")
    with pytest.raises(FetchError, match="more than 4 bytes; --max-bytes sets the limit"):
        opened(entry("a", b"12"), entry("b", b"345"), max_bytes=4)


def test_compressed_bomb(tmp_path: Path) -> None:
    """What a small archive would unpack to is refused before it is written."""
    bomb = tmp_path / "a.tgz"
    bomb.write_bytes(gzip.compress(entry("a", b"\0" * 5_000_000) + b"\0" * 1024))
    with pytest.raises(FetchError, match="more than 1000000 bytes"):
        unpack(bomb, "r:gz", tmp_path / "out", 1_000_000)
    assert list((tmp_path / "out").iterdir()) == []


def test_number_of_entries_is_bounded(
    opened: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty files cost no bytes, so they are counted."""
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 3)
    with pytest.raises(FetchError, match="more than 3 entries"):
        opened(*(entry(str(i), b"") for i in range(4)))


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08garbage", gzip.compress(b"text")])
def test_not_an_archive(content: bytes, tmp_path: Path) -> None:
    """What is no archive in spite of its name is said to be none."""
    (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(FetchError, match="the archive cannot be read"):
        unpack(tmp_path / "a.tgz", "r:gz", tmp_path / "out", 10**6)


@pytest.mark.parametrize("cut", [1100, 600, 10])
def test_truncated_archive(cut: int, tmp_path: Path) -> None:
    """An archive that ends early is refused, compressed or not."""
    whole = entry("a", b"12" * 300) + b"\0" * 1024
    (tmp_path / "a.tar").write_bytes(whole[:cut])
    with pytest.raises(FetchError, match="the archive"):
        unpack(tmp_path / "a.tar", "r:", tmp_path / "out", 10**6)
    (tmp_path / "a.tgz").write_bytes(gzip.compress(whole[:cut])[:-9])
    with pytest.raises(FetchError, match="the archive"):
        unpack(tmp_path / "a.tgz", "r:gz", tmp_path / "out2", 10**6)
