"""Looks at the place where a command will write, before the work that it would be lost for."""

import os
from pathlib import Path

from converters.errors import UsageError


def existing_part(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to.

    Raises:
        UsageError: a part of the path is a file, or may not be written to.
    """
    existing = existing_part(folder.absolute())
    if not existing.is_dir():
        raise UsageError(f"{existing}: is a file; expected a folder, or a path that is free")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"{existing}: may not be written to")
