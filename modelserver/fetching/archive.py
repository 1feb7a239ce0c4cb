"""Unpacks a tar archive that may be hostile: files and folders only, inside one folder, bounded."""

import os
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from modelserver.errors import FetchError

MODES = {".tar": "r:", ".tar.gz": "r:gz", ".tgz": "r:gz"}
"""Endings of an archive's name, and how `tarfile` opens it."""

_MOST_MEMBERS = 10_000


def archive_mode(file_name: str) -> str | None:
    """How to open an archive of that name; None when it is not the name of one."""
    for ending, mode in MODES.items():
        if file_name.lower().endswith(ending):
            return mode
    return None


def unpack(archive: Path, mode: str, folder: Path, max_bytes: int) -> int:
    """Unpack an archive into an empty folder.

    Args:
        archive: the file.
        mode: of `archive_mode`.
        folder: where to; made here.
        max_bytes: the most that all files together may take.

    Returns:
        How many files there are.

    Raises:
        FetchError: it is no such archive, or holds something else than files and folders, a path
            that leads outside, the same path twice, or too much.
    """
    folder.mkdir(parents=True)
    left, files = max_bytes, 0
    try:
        with tarfile.open(archive, mode) as tar:  # type: ignore[call-overload]
            for count, member in enumerate(tar):
                if count >= _MOST_MEMBERS:
                    raise FetchError(f"the archive has more than {_MOST_MEMBERS} entries")
                left -= member.size
                if left < 0:
                    raise FetchError(
                        f"the archive unpacks to more than {max_bytes} bytes; "
                        "--max-bytes sets the limit"
                    )
                _write(tar, member, folder / _safe(member))
                files += member.isreg()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FetchError(f"the archive cannot be read: {error}") from error
    return files


def _safe(member: tarfile.TarInfo) -> PurePosixPath:
    """The path of a member, relative and inside."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise FetchError(f"the archive has the path {member.name!r}, which leads outside")
    if not (member.isdir() or member.isreg()) or member.issparse():
        raise FetchError(f"the archive has {member.name!r}, which is neither a file nor a folder")
    return path


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write one folder or file, with the permissions of any new one."""
    try:
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            size = _copy(tar, member, file)
    except (FileExistsError, NotADirectoryError) as error:
        raise FetchError(f"the archive has the path {member.name!r} twice") from error
    if size != member.size:
        raise FetchError(f"the archive ends in the middle of {member.name!r}")


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, file: IO[bytes]) -> int:
    """Write the content of a member durably; returns how many bytes that were."""
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101  # it is a regular file
    shutil.copyfileobj(content, file, 2**20)
    file.flush()
    os.fsync(file.fileno())
    return file.tell()
