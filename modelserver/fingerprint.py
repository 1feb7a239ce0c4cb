"""Tells whether the files of a folder have changed, without reading them."""

import os
from pathlib import Path

Fingerprint = tuple[tuple[str, int, int], ...]
"""Relative path (and target of a link), bytes and time of last change in nanoseconds of each
file, by path."""


def fingerprint(folder: Path) -> Fingerprint:
    """Look at the size and time of every file of a folder.

    Inode numbers are left out: some network file systems make them up anew at times. A file that
    vanishes meanwhile is left out too; the next look will tell.
    """
    found = []
    for place, folders, files in os.walk(folder):
        # Links to folders are not followed; that there is one, and to where, is seen.
        for name in (*files, *(f for f in folders if os.path.islink(os.path.join(place, f)))):
            path = os.path.join(place, name)
            try:
                state = os.stat(path)
            except OSError:
                continue
            shown = os.path.relpath(path, folder)
            if os.path.islink(path):
                shown += f" -> {os.readlink(path)}"
            found.append((shown, state.st_size, state.st_mtime_ns))
    return tuple(sorted(found))
