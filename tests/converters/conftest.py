"""Hostile texts, and a way to run a graph that was just built."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

NASTY_TEXTS = Path(__file__).parent / "nasty_texts.json"

Run = Callable[[onnx.ModelProto, Sequence[str]], list[np.ndarray]]


@pytest.fixture(scope="session")
def nasty_texts() -> list[str]:
    """Texts that break tokenisers; why each is there stands in the file."""
    entries = json.loads(NASTY_TEXTS.read_text("utf-8"))
    return [entry["text"] * entry.get("repeat", 1) for entry in entries]


@pytest.fixture(scope="session")
def run_onnx() -> Run:
    """Run a model with one text input on a batch of texts; returns all its outputs."""

    def run(model: onnx.ModelProto, texts: Sequence[str]) -> list[np.ndarray]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (question,) = session.get_inputs()
        batch = np.array(list(texts), dtype=object).reshape(-1)
        return session.run(None, {question.name: batch})

    return run
