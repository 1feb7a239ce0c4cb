"""The statistics extension: what models have done since they were loaded."""

from collections.abc import Iterable
from typing import Any

from modelserver.model import ServedModel
from modelserver.statistics import Tally

_NEVER = {"count": 0, "ns": 0}


def model_statistics(models: Iterable[ServedModel]) -> dict[str, Any]:
    """The counts of each model."""
    return {"model_stats": [_statistics(model) for model in models]}


def _statistics(model: ServedModel) -> dict[str, Any]:
    counts = model.statistics.read()
    return {
        "name": model.name,
        "version": str(model.version),
        "last_inference": counts.last_scored_ms,
        "inference_count": counts.rows,
        "execution_count": sum(tally.count for tally in counts.batches.values()),
        "inference_stats": {
            "success": _duration(counts.succeeded),
            "fail": _duration(counts.failed),
            "queue": _duration(counts.queue),
            "compute_input": _duration(counts.decode),
            "compute_infer": _duration(counts.inference),
            "compute_output": _duration(counts.encode),
            "cache_hit": _NEVER,
            "cache_miss": _NEVER,
        },
        "response_stats": {},
        "batch_stats": [
            {
                "batch_size": rows,
                # Requests are read and written one by one, never as a batch.
                "compute_input": _NEVER,
                "compute_infer": _duration(tally),
                "compute_output": _NEVER,
            }
            for rows, tally in sorted(counts.batches.items())
        ],
        "memory_usage": [],
    }


def _duration(tally: Tally) -> dict[str, int]:
    return {"count": tally.count, "ns": tally.ns}
