"""Tells whether the files of a folder have changed, without reading them."""

import os
from pathlib import Path

Fingerprint = tuple[tuple[str, int, int], ...]
"""Relative path, bytes and time of last change in nanoseconds of each file, by path."""


def fingerprint(folder: Path) -> Fingerprint:
    """Look at the size and time of every file of a folder.

    Inode numbers are left out: some network file systems make them up anew at times. A file that
    vanishes meanwhile is left out too; the next look will tell.
    """
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            try:
                state = os.stat(path)
            except OSError:
                continue
            found.append((os.path.relpath(path, folder), state.st_size, state.st_mtime_ns))
    return tuple(sorted(found))
