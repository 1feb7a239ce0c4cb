"""Downloads of published weights: whole and verified, or not at all."""

import hashlib
import io
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from converters.errors import ConverterError
from converters.resnet import pretrained
from converters.resnet.pretrained import PUBLISHED, Published, fetch, identify

CONTENT = b"weights" * 400_000  # more than one chunk
SMALL = Published(f"tiny-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth", "torchvision-v1")


def opener(content: bytes) -> Callable[[str], BinaryIO]:
    """Answer every download with the same bytes."""
    return lambda url: io.BytesIO(content)


def refuse(url: str) -> BinaryIO:
    raise AssertionError(f"{url} was asked for")


def test_download_then_cache(tmp_path: Path) -> None:
    """The first call downloads, the second needs no network."""
    cache = tmp_path / "a" / "cache"
    path = fetch(SMALL, cache, opener(CONTENT))
    assert path.read_bytes() == CONTENT
    assert fetch(SMALL, cache, refuse) == path
    assert [p.name for p in cache.iterdir()] == [SMALL.file]


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", b"<html>"])
def test_another_file(tmp_path: Path, content: bytes) -> None:
    """What is not the published file is refused by its hash, and nothing is left behind."""
    with pytest.raises(ConverterError, match="expected a SHA-256 that begins with"):
        fetch(SMALL, tmp_path, opener(content))
    assert not list(tmp_path.iterdir())


def test_connection_that_breaks(tmp_path: Path) -> None:
    """A download that stops in the middle leaves nothing behind and says how to do it by hand."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise ConnectionResetError("reset by peer")
            return super().read(size)

    with pytest.raises(ConverterError, match="reset by peer") as failed:
        fetch(SMALL, tmp_path, lambda url: Broken(CONTENT))
    assert f"--weights {SMALL.file} --preset torchvision-v1" in str(failed.value)
    assert not list(tmp_path.iterdir())


def test_no_network(tmp_path: Path) -> None:
    """Without a network the message has the address, the reason and the manual way."""

    def offline(url: str) -> BinaryIO:
        raise urllib.error.URLError("no route to host")

    with pytest.raises(ConverterError, match="no route to host") as failed:
        fetch(PUBLISHED["v2"], tmp_path, offline)
    text = str(failed.value)
    assert PUBLISHED["v2"].url in text
    assert "--weights resnet152-f82ba261.pth --preset torchvision-v2" in text


def test_damaged_cache(tmp_path: Path) -> None:
    """A cached file that has changed is refused, not used."""
    (tmp_path / SMALL.file).write_bytes(CONTENT[:-1])
    with pytest.raises(ConverterError, match="damaged or another one"):
        fetch(SMALL, tmp_path, refuse)


def test_unreadable_cache(tmp_path: Path) -> None:
    """A cache that is no folder is named."""
    (tmp_path / "cache").write_text("")
    with pytest.raises(ConverterError):
        fetch(SMALL, tmp_path / "cache", opener(CONTENT))


def test_identify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is known by its content, whatever it is called; others are not."""
    monkeypatch.setattr(pretrained, "PUBLISHED", {"tiny": SMALL})
    (tmp_path / "renamed").write_bytes(CONTENT)
    (tmp_path / "other").write_bytes(CONTENT[1:])
    assert identify(tmp_path / "renamed") == "torchvision-v1"
    assert identify(tmp_path / "other") is None


def test_published_files() -> None:
    """The names hold the hashes by which the publisher's own library checks them."""
    assert [p.hash_prefix for p in PUBLISHED.values()] == ["394f9c45", "f82ba261"]
    assert all(p.url.startswith("https://") for p in PUBLISHED.values())
