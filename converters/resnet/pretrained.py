"""Downloads the published ImageNet weights of ResNet-152, whole and verified, or not at all."""

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from converters.errors import ConverterError
from converters.progress import Progress

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Published:
    """A file of weights and what belongs to it; its name ends with the start of its SHA-256."""

    file: str
    preset: str

    @property
    def url(self) -> str:
        """Where it is published."""
        return f"https://download.pytorch.org/models/{self.file}"

    @property
    def hash_prefix(self) -> str:
        """The first hex digits of its SHA-256."""
        return self.file.removesuffix(".pth").rpartition("-")[2]


PUBLISHED = {
    "v1": Published("resnet152-394f9c45.pth", "torchvision-v1"),
    "v2": Published("resnet152-f82ba261.pth", "torchvision-v2"),
}


def open_url(url: str) -> BinaryIO:
    """Open a download; the response has `headers`."""
    response: BinaryIO = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    return response


def fetch(published: Published, cache: Path, opener: Callable[[str], BinaryIO] = open_url) -> Path:
    """Return the file from the cache, or download it into there.

    Args:
        published: which file.
        cache: folder that keeps it for the next conversion.
        opener: opens the URL.

    Raises:
        ConverterError: it cannot be downloaded, or what came is not the published file. Nothing
            is left behind then.
    """
    target = cache / published.file
    if target.exists():
        _verify(published, target, _sha256(target))
        return target
    by_hand = (
        f"download {published.url} where you can, and convert it with "
        f"--weights {published.file} --preset {published.preset}"
    )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return _download(published, target, opener)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConverterError(f"{published.url}: {reason}; {by_hand}") from error


def identify(path: Path) -> str | None:
    """The preset of a file that is one of the published ones, by its content."""
    digest = _sha256(path)
    for published in PUBLISHED.values():
        if digest.startswith(published.hash_prefix):
            return published.preset
    return None


def _download(published: Published, target: Path, opener: Callable[[str], BinaryIO]) -> Path:
    """Fill a hidden file beside the target; rename it when its hash is right."""
    handle, name = tempfile.mkstemp(prefix=f".{published.file}.", dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, opener(published.url) as response:
            length = int(getattr(response, "headers", {}).get("Content-Length") or 0)
            digest = _copy(response, file, length)
        _verify(published, part, digest)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> str:
    """Copy a download with a progress bar; returns the SHA-256 in hex."""
    digest = hashlib.sha256()
    with Progress("downloading the weights", length) as progress:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
            progress.advance(len(chunk))
    return digest.hexdigest()


def _verify(published: Published, path: Path, digest: str) -> None:
    if not digest.startswith(published.hash_prefix):
        raise ConverterError(
            f"{path.parent / published.file}: expected a SHA-256 that begins with "
            f"{published.hash_prefix}, got {digest}; the file is damaged or another one"
        )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConverterError(f"{path}: cannot be read: {error.strerror}") from error
