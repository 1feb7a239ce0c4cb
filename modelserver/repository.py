"""The models of one server by name and version."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelserver.artefact_folders import find_artefacts
from modelserver.errors import ArtefactError, NotFound
from modelserver.jsontext import quote
from modelserver.memory_budget import MemoryBudget
from modelserver.model import DEFAULT_LIMITS, ModelLimits, ServedModel
from modelserver.runtime import CPU, Device


@dataclass(frozen=True, slots=True)
class Loader:
    """How artefact folders become served models.

    Args:
        folder: a repository, or one artefact folder.
        threads: threads that one inference may use.
        device: where the models run.
        memory: what reading large instances may take; shared by all models.
        limits: how much of each model runs and waits at a time.
    """

    folder: Path
    threads: int
    device: Device = CPU
    memory: MemoryBudget | None = None
    limits: ModelLimits = DEFAULT_LIMITS

    def load(self, path: Path) -> ServedModel:
        """Load, verify and warm one artefact of the folder.

        Raises:
            ArtefactError: it must not be served, or its folder has another name or version than
                its manifest, because paths would lie.
        """
        model = ServedModel.load(path, self.threads, self.device, self.memory, self.limits)
        if path != self.folder and path.parts[-2:] != (model.name, str(model.version)):
            raise ArtefactError(
                f"{path}: holds {model.name} version {model.version}; the folder must be "
                f"{model.name}/{model.version}"
            )
        return model


class Repository:
    """Finds models in memory only: a name in a request never touches the file system.

    It never changes. When models come or go, the server puts another one in its place, so finding
    needs no lock; a request keeps the model that it has found until it is answered.

    Args:
        models: name -> version -> model.
    """

    def __init__(self, models: Mapping[str, Mapping[int, ServedModel]]) -> None:
        self._models = models
        self._newest = {name: versions[max(versions)] for name, versions in models.items()}

    @classmethod
    def load(
        cls, loader: Loader, loaded: Callable[[ServedModel], None], allow_none: bool = False
    ) -> "Repository":
        """Load every version of every model in the loader's folder; one that fails fails all.

        Args:
            loader: loads each of them.
            loaded: called after each model.
            allow_none: whether an empty folder is in order.

        Raises:
            ArtefactError: there is no artefact, one of them must not be served, or a folder has
                another name or version than its manifest.
        """
        models = []
        for path in find_artefacts(loader.folder, allow_none):
            models.append(loader.load(path))
            loaded(models[-1])
        return cls.of(models)

    @classmethod
    def of(cls, models: Iterable[ServedModel]) -> "Repository":
        """Sort models by name, then version."""
        by_name: dict[str, dict[int, ServedModel]] = {}
        for model in sorted(models, key=lambda model: (model.name, model.version)):
            by_name.setdefault(model.name, {})[model.version] = model
        return cls(by_name)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Find a model; the newest version unless one is named.

        Raises:
            NotFound: no such model or version is served.
        """
        versions = self._models.get(name)
        if versions is None:
            # Clients of Triton look for these first four words.
            raise NotFound(
                f"Request for unknown model {quote(name)}; this server has {self._listed()}"
            )
        if version is None:
            return self._newest[name]
        for number, model in versions.items():
            if version == str(number):
                return model
        known = ", ".join(map(str, sorted(versions)))
        raise NotFound(f"model {name!r} has no version {quote(version)}; it has {known}")

    def only(self) -> ServedModel:
        """The model that a path without a name means.

        Raises:
            NotFound: there are several.
        """
        if len(self._newest) != 1:
            raise NotFound(f"name the model in the path; this server has {self._listed()}")
        return next(iter(self._newest.values()))

    def names(self) -> list[str]:
        """The names of all models."""
        return list(self._models)

    def versions(self, name: str) -> list[int]:
        """The versions of one model, oldest first; none when it is not served."""
        return sorted(self._models.get(name, ()))

    def _listed(self) -> str:
        return ", ".join(self._models) or "no model"

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version of every model."""
        for versions in self._models.values():
            yield from versions.values()
