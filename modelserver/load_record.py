"""Records what happens to the models of a server: one log line and the metrics of each event."""

import traceback
from dataclasses import dataclass

from modelserver.errors import ArtefactError
from modelserver.logs import Log
from modelserver.metrics import Metrics
from modelserver.model import ServedModel

INTERNAL_ERROR = "internal error; the log has the place in the code"


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """Where the events are recorded.

    Args:
        log: takes one line per event.
        metrics: counts it.
    """

    log: Log
    metrics: Metrics

    def loaded(self, model: ServedModel) -> None:
        """Record a model that passed all checks."""
        self.metrics.model_loaded(model)
        self.log(
            "model_loaded",
            model=model.name,
            version=str(model.version),
            provider=model.provider,
            golden_error=model.golden_error,
        )

    def failed(self, name: str, error: Exception, serving: list[int]) -> str:
        """Record a model, or with an empty name a whole folder, that could not be loaded.

        Args:
            name: the model.
            error: why.
            serving: the versions that serve on.

        Returns:
            What a caller may read of the error.
        """
        self.metrics.model_load_failed(name)
        ours = not isinstance(error, ArtefactError)
        text = INTERNAL_ERROR if ours else str(error)
        frames = traceback.extract_tb(error.__traceback__) if ours else []
        self.log(
            "model_load_failed",
            model=name or None,
            error=text,
            serving=[str(version) for version in serving],
            **({"type": type(error).__name__, "trace": list(map(_place, frames))} if ours else {}),
        )
        return text

    def unloaded(self, name: str, version: int, replaced: bool) -> None:
        """Record that the last request of a model that serves no more was answered.

        Args:
            name: the model.
            version: its version.
            replaced: whether other files of the same version serve now, and keep its series.
        """
        if not replaced:
            self.metrics.model_unloaded(name, version)
        self.log("model_unloaded", model=name, version=str(version))


def _place(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename}:{frame.lineno} {frame.name}"
