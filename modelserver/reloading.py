"""Keeps the served models in step with the files, without a restart.

A version is loaded, verified, compared with its golden answer and warmed beside the running ones;
only then does a new Repository take the place of the old one. A request keeps the model it has
found, so the old version answers what it has accepted, and Python frees it after the last answer.
A version that fails changes nothing: the last good one keeps serving.
"""

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelserver.allocator import return_free_memory
from modelserver.artefact import Artefact
from modelserver.artefact_folders import find_artefacts
from modelserver.errors import ArtefactError, LoadFailed, NotFound, Unavailable
from modelserver.fingerprint import Fingerprint, fingerprint
from modelserver.jsontext import quote
from modelserver.load_record import LoadRecord
from modelserver.model import ServedModel
from modelserver.repository import Loader, Repository
from modelserver.repository_index import LOADING, READY, UNAVAILABLE, Entry

_PATIENCE_SECONDS = 1.0  # how long an order waits for the change before it


@dataclass(slots=True)
class _Place:
    """What is known of one artefact folder: its files when last tried, and what came of it."""

    tried: Fingerprint
    model: ServedModel | None = None
    error: str = ""


class Reloader:
    """Loads, replaces and unloads models while the server works.

    Args:
        loader: loads one artefact.
        publish: called with the models that serve from now on.
        record: where events are recorded.
        allow_none: whether an empty folder is in order.
        poll_seconds: how often `watch` looks for changes; 0: never.
    """

    def __init__(
        self,
        loader: Loader,
        publish: Callable[[Repository], None],
        record: LoadRecord,
        *,
        allow_none: bool = False,
        poll_seconds: float = 0,
    ) -> None:
        self._loader = loader
        self._publish = publish
        self._record = record
        self._allow_none = allow_none
        self._poll_seconds = poll_seconds
        self._changing = threading.Lock()  # everything below changes under it
        self._places: dict[Path, _Place] = {}
        self._unloaded: set[str] = set()  # names that were unloaded by order
        self._serving = Repository({})
        self._seen: dict[Path, Fingerprint] = {}  # by the last poll
        self._trouble = ""  # of the last poll
        self._loading: Path | None = None
        # SimpleQueue, because its put may be called while garbage is collected.
        self._freed: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()

    @property
    def serving(self) -> Repository:
        """The models that serve now."""
        return self._serving

    def start(self) -> None:
        """Load every model; one that fails fails all.

        Raises:
            ArtefactError: the folder or one of its artefacts must not be served.
        """
        with self._changing:
            seen = self._look()
            self._serving = Repository.load(self._loader, self._record.loaded, self._allow_none)
            for model in self._serving:
                path = model.artefact.folder
                self._places[path] = _Place(seen.get(path, ()), model)

    def watch(self) -> None:
        """Begin to look after the models in a thread of its own, until `stop`."""
        threading.Thread(target=self._watch, name="reload", daemon=True).start()

    def stop(self) -> None:
        """Look for changes no more."""
        self._freed.put(None)

    def poll(self) -> None:
        """Take up what has changed in the folder, and has stayed so since the last poll.

        A folder that is still being copied changes between two polls, so it is left alone; one that
        was tried in vain is tried again when its files change.
        """
        if not self._changing.acquire(blocking=False):
            return
        try:
            self._take_up_changes()
            self._trouble = ""
        except ArtefactError as error:
            if self._trouble != str(error):
                self._record.failed("", error, serving=[])
            self._trouble = str(error)
        finally:
            self._changing.release()

    def load(self, name: str) -> None:
        """Load the versions of a model that are new, changed, unloaded or failed before.

        Raises:
            NotFound: the folder has no such model.
            LoadFailed: a version must not be served; those that could be loaded serve.
            Unavailable: another change takes its time.
        """
        with self._change():
            try:
                now = self._look()
            except ArtefactError as error:
                raise LoadFailed(str(error)) from error
            mine = [path for path in now if self._name(path) == name]
            if not mine:
                names = ", ".join(sorted({self._name(path) for path in now}))
                raise NotFound(f"no model {quote(name)} in the folder; it has {names or 'none'}")
            self._unloaded.discard(name)
            gone = [path for path in self._places if self._name(path) == name and path not in now]
            wanted = {path: now[path] for path in mine if self._is_wanted(path, now[path], True)}
            errors = self._apply(wanted, gone)
        if errors:
            raise LoadFailed("; ".join(errors))

    def unload(self, name: str) -> None:
        """Stop serving a model, until it is loaded by order or the server starts anew.

        Raises:
            NotFound: there is no such model.
            Unavailable: another change takes its time.
        """
        with self._change():
            if name not in {entry.name for entry in self.index()}:
                raise NotFound(f"unknown model {quote(name)}")
            self._unloaded.add(name)
            self._apply({}, [path for path in self._places if self._name(path) == name])

    def index(self) -> list[Entry]:
        """Every version in memory or in the folder, and its state; never waits for a change."""
        places = dict(self._places)
        try:
            found = find_artefacts(self._loader.folder, allow_none=True)
        except ArtefactError:
            found = []
        entries = [self._entry(path, places.get(path)) for path in {*places, *found}]
        return sorted(entries, key=lambda entry: (entry.name, len(entry.version), entry.version))

    def _entry(self, path: Path, place: _Place | None) -> Entry:
        name, version = self._identity(path)
        if place and place.model:
            return Entry(name, version, READY, place.error)
        if path == self._loading:
            return Entry(name, version, LOADING)
        waiting = "unloaded" if name in self._unloaded else "not loaded yet"
        return Entry(name, version, UNAVAILABLE, place.error if place else waiting)

    def _take_up_changes(self) -> None:
        now = self._look()
        before, self._seen = self._seen, now
        settled = {
            path: files
            for path, files in now.items()
            if before.get(path) == files and self._is_wanted(path, files, False)
        }
        self._apply(settled, [path for path in self._places if path not in (now | before)])

    def _is_wanted(self, path: Path, files: Fingerprint, ordered: bool) -> bool:
        """Whether a folder is worth a try: its files are new, or an order wants what failed."""
        place = self._places.get(path)
        if place is None:
            return self._name(path) not in self._unloaded
        return place.tried != files or (ordered and bool(place.error))

    def _apply(self, wanted: Mapping[Path, Fingerprint], gone: Iterable[Path]) -> list[str]:
        """Load some folders and forget others; returns what failed."""
        failed = [error for path, files in wanted.items() if (error := self._try(path, files))]
        gone = set(gone)
        gone -= self._last_good(gone)
        for path in gone:
            del self._places[path]
        if gone:
            self._serve()
        return failed

    def _last_good(self, gone: set[Path]) -> set[Path]:
        """Which of the removed folders are the last good of a model whose other versions failed."""
        last: set[Path] = set()
        by_name: dict[str, list[Path]] = {}
        for path in self._places:
            by_name.setdefault(self._name(path), []).append(path)
        for paths in by_name.values():
            left = [self._places[path] for path in paths if path not in gone]
            if left and not any(place.model for place in left):
                good = {
                    m.version: p for p in gone.intersection(paths) if (m := self._places[p].model)
                }
                last.update(good[version] for version in sorted(good)[-1:])
        return last

    def _try(self, path: Path, files: Fingerprint) -> str:
        """Load one folder and serve it; returns why it could not."""
        place = self._places.setdefault(path, _Place(files))
        place.tried = files
        self._loading = path
        try:
            place.model = self._loader.load(path)
        # A fault of ours must not end the thread that looks after all models.
        except Exception as error:
            name = self._name(path)
            place.error = self._record.failed(name, error, self._serving.versions(name))
            return place.error
        finally:
            self._loading = None
        place.error = ""
        self._record.loaded(place.model)
        self._serve()
        return ""

    def _serve(self) -> None:
        """Put what is loaded into service at once, and have the rest reported when it is free."""
        old = self._serving
        self._serving = Repository.of(p.model for p in self._places.values() if p.model)
        self._publish(self._serving)
        for model in set(old) - set(self._serving):
            done = weakref.finalize(model, self._freed.put, (model.name, model.version))
            done.atexit = False
            # Its threads end when nothing is queued; a request that still comes starts one anew.
            model.close()

    def _watch(self) -> None:
        due = time.monotonic() + self._poll_seconds
        while True:
            wait = max(0.0, due - time.monotonic()) if self._poll_seconds else None
            try:
                freed = self._freed.get(timeout=wait)
            except queue.Empty:
                self.poll()
                due = time.monotonic() + self._poll_seconds
                continue
            if freed is None:
                return
            self._forget(*freed)

    def _forget(self, name: str, version: int) -> None:
        self._record.unloaded(name, version, version in self._serving.versions(name))
        return_free_memory()

    def _look(self) -> dict[Path, Fingerprint]:
        paths = find_artefacts(self._loader.folder, self._allow_none)
        return {path: fingerprint(path) for path in paths}

    def _name(self, path: Path) -> str:
        return self._identity(path)[0]

    def _identity(self, path: Path) -> tuple[str, str]:
        """Name and version of a folder; a single artefact's are in its manifest only."""
        if path != self._loader.folder:
            return path.parent.name, path.name
        place = self._places.get(path)
        if place and place.model:
            return place.model.name, str(place.model.version)
        try:
            manifest = Artefact.open(path).manifest
        except ArtefactError:
            return path.name, ""
        return manifest.name, str(manifest.version)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Hold the right to change the models."""
        if not self._changing.acquire(timeout=_PATIENCE_SECONDS):
            raise Unavailable("the models are being changed; try again")
        try:
            yield
        finally:
            self._changing.release()
