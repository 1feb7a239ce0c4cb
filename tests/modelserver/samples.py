"""Small artefacts of every task, made without any converter that trains or exports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from converters.parity import Examples
from converters.publish import Place, Publication, publish
from converters.report import Report
from modelserver.cleaning import CLEANING_VERSION
from tests.conftest import publish_linear, publish_tensor, serialise, slow_model

FAQS = (
    {"id": 11, "answer_id": 1011, "title": "Copy an array"},
    {"id": 12, "answer_id": 1012, "title": "What is a closure"},
    {"id": 13, "answer_id": 1013, "title": "Wait for a promise"},
    {"id": 14, "answer_id": 1014, "title": "What this refers to"},
)
KEYWORDS = ("array", "closure", "promise", "this")
MAX_CHARACTERS = 1000

# Half a keyword's weight, falling by column, so that no two FAQs ever tie.
BIAS = np.array([0.04, 0.03, 0.02, 0.01], np.float32)


def faq_onnx(bias: np.ndarray = BIAS) -> bytes:
    """`question` string [N] -> `probabilities` FP32 [N, 4]: 1 - 1 / (1 + hits of a keyword)."""
    nodes = [
        # A text without words would give a tensor without columns.
        helper.make_node("StringConcat", ["question", "stop"], ["ended"]),
        helper.make_node("StringSplit", ["ended"], ["words", "counts"], delimiter=" "),
        helper.make_node(
            "TfIdfVectorizer",
            ["words"],
            ["hits"],
            mode="TF",
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=list(range(len(KEYWORDS))),
            pool_strings=list(KEYWORDS),
        ),
        helper.make_node("Add", ["hits", "bias"], ["weight"]),
        helper.make_node("Add", ["weight", "one"], ["more"]),
        helper.make_node("Div", ["weight", "more"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "keywords",
        [helper.make_tensor_value_info("question", TensorProto.STRING, ["rows"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", len(FAQS)])],
        [
            helper.make_tensor("stop", TensorProto.STRING, [1], [b" ."]),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


def faq_scores(question: str) -> np.ndarray:
    """What `faq_onnx` answers for a clean question: FP32 [4]."""
    hits = np.array([question.split(" ").count(word) for word in KEYWORDS], np.float32) + BIAS
    scores: np.ndarray = hits / (hits + np.float32(1))
    return scores


def publish_faq(
    repository: Path,
    name: str = "faq",
    version: int | None = None,
    faqs: Sequence[dict[str, Any]] = FAQS,
    **parameters: Any,
) -> Path:
    """Publish `faq_onnx`; `parameters` replace the defaults of the request's parameters."""
    questions = ["copy an array", "closure or promise"]
    publication = Publication(
        task="faq",
        onnx_model=faq_onnx(),
        golden_request={"instances": questions},
        examples=Examples(
            questions,
            {"probabilities": np.stack([faq_scores(question) for question in questions])},
            tolerance=1e-6,
        ),
        files={"faqs.json": {"faqs": list(faqs)}},
        preprocessing={"text_cleaning": CLEANING_VERSION, "max_characters": MAX_CHARACTERS},
        parameters={"top_k": 2, "min_score": 0.5, **parameters},
    )
    return publish(publication, Place.choose(str(repository), name, version), Report(name))


def pair_onnx() -> bytes:
    """`left` FP32 [N, -1] and `right` INT64 [N] -> `both` FP32 [N, -1] and `twice` INT64 [N]."""
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["left"], ["both"]),
            helper.make_node("Add", ["right", "right"], ["twice"]),
        ],
        "pair",
        [
            helper.make_tensor_value_info("left", TensorProto.FLOAT, ["rows", "width"]),
            helper.make_tensor_value_info("right", TensorProto.INT64, ["rows"]),
        ],
        [
            helper.make_tensor_value_info("both", TensorProto.FLOAT, ["rows", "width"]),
            helper.make_tensor_value_info("twice", TensorProto.INT64, ["rows"]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content


def publish_pair(repository: Path, name: str = "pair") -> Path:
    """Publish `pair_onnx`."""
    rows = [{"left": [1.0, 2.0], "right": 3}]
    outputs = {"both": np.array([[1, 2]], np.float32), "twice": np.array([6])}
    return publish_tensor(repository, name, pair_onnx(), rows, outputs)


def publish_slow(repository: Path, name: str = "slow") -> Path:
    """Publish `slow_model`, whose rows say how many matrix products they take."""
    return publish_tensor(repository, name, slow_model(), [[1]], {"done": np.array([[1]])})


def publish_times(repository: Path, version: int, name: str = "times") -> Path:
    """Publish `x` FP32 [N] -> `y` FP32 [N]: x times the version, so that an answer tells it."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "times",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows"])],
        [numpy_helper.from_array(np.array(version, np.float32), "factor")],
    )
    outputs = {"y": np.array([version, 2 * version], np.float32)}
    return publish_tensor(repository, name, serialise(graph), [1.0, 2.0], outputs, version)


def publish_all(repository: Path) -> Path:
    """Publish one model of each kind, `sum` in two versions; returns the repository."""
    publish_faq(repository)
    publish_pair(repository)
    publish_linear(repository, version=2)
    publish_linear(repository, version=10)
    return repository
