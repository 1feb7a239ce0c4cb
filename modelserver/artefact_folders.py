"""Finds the artefact folders of a repository: <repository>/<name>/<version>/."""

from pathlib import Path

from modelserver.errors import ArtefactError
from modelserver.manifest import MANIFEST_NAME


def find_artefacts(models: Path, allow_none: bool = False) -> list[Path]:
    """List the artefact folders of a repository, or the one artefact that `models` is.

    Args:
        models: a folder <name>/<version>/ holding artefacts, or an artefact folder itself.
        allow_none: whether an empty repository is in order.

    Returns:
        Folders in order of name, then version. Hidden folders and files are left out.

    Raises:
        ArtefactError: the folder is missing, holds no artefact, is that of one model with its
            versions, or a version folder has a name that is not a positive whole number.
    """
    try:
        if not models.is_dir():
            what = "is a file; expected a folder" if models.exists() else "no such folder"
            raise ArtefactError(f"{models}: {what}")
        found = [models] if (models / MANIFEST_NAME).exists() else _versions(models)
    except OSError as error:
        raise ArtefactError(f"{models}: cannot be read: {error.strerror}") from error
    if not found and not allow_none:
        raise ArtefactError(f"{models}: no artefact <name>/<version>/{MANIFEST_NAME} in it")
    return found


def _versions(models: Path) -> list[Path]:
    """The version folders of a repository, by name, then number."""
    found = []
    for name in _visible_folders(models):
        if (name / MANIFEST_NAME).exists():
            above = models.absolute().parent
            raise ArtefactError(
                f"{models}: holds versions of one model; expected the folder above it, {above}, or "
                f"one version, {name}"
            )
        versions = _visible_folders(name)
        for version in versions:
            if not version.name.isascii() or not version.name.isdigit() or int(version.name) < 1:
                raise ArtefactError(f"{version}: a version is a positive whole number")
        found += sorted(versions, key=lambda folder: int(folder.name))
    return found


def next_version(repository: Path, name: str) -> int:
    """The version number after the newest one of a model in a repository."""
    folder = repository / name
    numbers = [int(p.name) for p in folder.glob("[0-9]*") if p.name.isdecimal()]
    return max(numbers, default=0) + 1


def _visible_folders(folder: Path) -> list[Path]:
    folders = (path for path in folder.iterdir() if path.is_dir() and path.name != "lost+found")
    return sorted(path for path in folders if not path.name.startswith("."))
