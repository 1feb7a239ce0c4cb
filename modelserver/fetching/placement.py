"""Puts what was fetched into its folder, whole or not at all, and remembers that it is there.

    <into>/.fetch/<sha256>.part       what has been downloaded
    <into>/.fetch/<sha256>.unpacked   what it holds, before it is shown
    <into>/.fetch/<sha256>.json       the files that came of it, written last

A server leaves hidden folders alone, so it sees a model only when it is complete.
"""

import filecmp
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from modelserver.artefact_folders import find_artefacts
from modelserver.errors import ArtefactError, FetchError
from modelserver.manifest import MANIFEST_NAME

_WORK = ".fetch"


@dataclass(frozen=True, slots=True)
class Place:
    """The folder that a download goes into.

    Args:
        into: the folder.
        sha256: of the download.
    """

    into: Path
    sha256: str

    @property
    def part(self) -> Path:
        """Where the download grows."""
        return self._work("part")

    @property
    def unpacked(self) -> Path:
        """Where an archive is unpacked."""
        return self._work("unpacked")

    def prepare(self) -> None:
        """Make the folder, and drop what an interrupted run has unpacked."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.unpacked, ignore_errors=True)

    def is_done(self) -> bool:
        """Whether an earlier run has put everything here, and it still is."""
        try:
            files: dict[str, int] = json.loads(self._work("json").read_bytes())
            return all((self.into / name).stat().st_size == size for name, size in files.items())
        except (OSError, ValueError):
            return False

    def show_file(self, name: str) -> list[Path]:
        """Put the download itself into place, and return its path."""
        self._show([(self.part, self.into / name)])
        return [self.into / name]

    def show_models(self) -> list[Path]:
        """Put the unpacked artefacts into place, and return their folders.

        Raises:
            FetchError: there are none, or another model is in their place.
        """
        try:
            found = find_artefacts(self.unpacked)
        except ArtefactError as error:
            raise FetchError(
                f"the archive is neither an artefact ({MANIFEST_NAME} at its top) nor a repository "
                f"(<name>/<version>/{MANIFEST_NAME}): {error}"
            ) from error
        if found == [self.unpacked]:
            # The manifest goes last: without it the folder is not an artefact yet.
            visible = (path for path in self.unpacked.iterdir() if not path.name.startswith("."))
            entries = sorted(visible, key=lambda path: path.name == MANIFEST_NAME)
            self._show([(path, self.into / path.name) for path in entries])
            return [self.into]
        moves = [(path, self.into / path.relative_to(self.unpacked)) for path in found]
        self._show(moves)
        return [target for _, target in moves]

    def _work(self, ending: str) -> Path:
        return self.into / _WORK / f"{self.sha256}.{ending}"

    def _show(self, moves: list[tuple[Path, Path]]) -> None:
        """Rename everything into place, then record it; what is there already must be the same."""
        for source, target in moves:
            if target.exists() and not _same(source, target):
                raise FetchError(
                    f"{target}: exists with another content; choose an empty folder, or publish "
                    "the model as a new version"
                )
        files = {}
        for source, target in moves:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
            files.update({str(p.relative_to(self.into)): p.stat().st_size for p in _files(target)})
        draft = self._work("draft")
        draft.write_text(json.dumps(files))
        draft.rename(self._work("json"))
        shutil.rmtree(self.unpacked, ignore_errors=True)
        self.part.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """The file itself, or all files below the folder."""
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def _same(one: Path, other: Path) -> bool:
    """Whether two files, or all files of two folders, have the same names and content."""
    if one.is_file() or other.is_file():
        return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
    names = [path.relative_to(one) for path in _files(one)]
    if names != [path.relative_to(other) for path in _files(other)]:
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)
