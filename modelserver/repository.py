"""The models of one server by name and version."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from modelserver.artefact import find_artefacts
from modelserver.errors import ArtefactError, NotFound
from modelserver.jsontext import quote
from modelserver.memory_budget import MemoryBudget
from modelserver.model import ServedModel
from modelserver.runtime import CPU, Device


class Repository:
    """Finds models in memory only: a name in a request never touches the file system.

    Args:
        models: name -> version -> model.
    """

    def __init__(self, models: Mapping[str, Mapping[int, ServedModel]]) -> None:
        self._models = models
        self._newest = {name: versions[max(versions)] for name, versions in models.items()}

    @classmethod
    def load(
        cls,
        folder: Path,
        threads: int,
        loaded: Callable[[ServedModel], None],
        device: Device = CPU,
        memory: MemoryBudget | None = None,
    ) -> "Repository":
        """Load every version of every model in a folder; one that fails fails all.

        Args:
            folder: a repository, or one artefact folder.
            threads: threads that one inference may use.
            loaded: called after each model.
            device: where the models run.
            memory: what reading large instances may take, for all models together.

        Raises:
            ArtefactError: a model must not be served, or lies in a folder of another name.
        """
        models: dict[str, dict[int, ServedModel]] = {}
        for path in find_artefacts(folder):
            model = load_model(folder, path, threads, device, memory)
            models.setdefault(model.name, {})[model.version] = model
            loaded(model)
        return cls(models)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Find a model; the newest version unless one is named.

        Raises:
            NotFound: no such model or version is served.
        """
        versions = self._models.get(name)
        if versions is None:
            raise NotFound(f"unknown model {quote(name)}; this server has {self._listed()}")
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


def load_model(
    root: Path,
    path: Path,
    threads: int,
    device: Device = CPU,
    memory: MemoryBudget | None = None,
) -> ServedModel:
    """Load one artefact of a folder of models.

    Args:
        root: a repository, or one artefact folder.
        path: the artefact; `root` itself, or a folder <name>/<version>/ in it.
        threads: threads that one inference may use.
        device: where the model runs.
        memory: what reading large instances may take.

    Raises:
        ArtefactError: the model must not be served, or lies in a folder of another name.
    """
    model = ServedModel.load(path, threads, device, memory)
    if path != root and path.parts[-2:] != (model.name, str(model.version)):
        raise ArtefactError(
            f"{path}: holds {model.name} version {model.version}; the folder must be "
            f"{model.name}/{model.version}"
        )
    return model
