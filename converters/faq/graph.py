"""The FAQ pipeline to ONNX and back: vectorizers and FaqMatcher as one sparse graph.

The file holds all that the pipeline knows, so an artefact can be extended without its training
data and without pickle: `read_faq_model` returns a pipeline that exports to the same bytes.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from converters.errors import ConverterError, UnsupportedModel
from converters.faq.matcher import FaqMatcher
from converters.faq.sparse_head import (
    HeadTables,
    add_scores,
    merge_weights,
    restore_tables,
    split_weights,
)
from converters.graph_parts import IR_VERSION, OPSETS, GraphParts
from converters.text.graph import add_features, add_to_container
from converters.text.weights import IDF, VOCABULARY, SparseRow, known_terms

INPUT = "question"
OUTPUT = "probabilities"
PRODUCER = "modelserver converters"

# Names in the graph.
_FEATURES = "features.{}."
_MATCHER = "matcher."
_TEXT = "one_question"

_METADATA = "faq_pipeline"
_FORMAT = 1
_LARGEST_FILE = 2**31 - 1  # of protobuf; larger models would need external data
_OPTIONS = (
    "analyzer",
    "binary",
    "lowercase",
    "ngram_range",
    "norm",
    "stop_words",
    "strip_accents",
    "sublinear_tf",
    "token_pattern",
    "use_idf",
)


def export_faq_model(pipeline: Pipeline) -> onnx.ModelProto:
    """Convert Pipeline([FeatureUnion of vectorizers, FaqMatcher]) to ONNX.

    Args:
        pipeline: fitted; its first step may also be a single vectorizer.

    Returns:
        `question` string [N] -> `probabilities` float32 [N, F]; equal pipelines give equal bytes.

    Raises:
        UnsupportedModel: the pipeline has other steps or an option without an exact form.
    """
    vectorizers = _vectorizers(pipeline)
    for name, vectorizer, _ in vectorizers:
        _check_vocabulary(name, vectorizer)
    features = sum(len(vectorizer.vocabulary_) for _, vectorizer, _ in vectorizers)
    if features != pipeline[-1].n_features_in_:
        raise UnsupportedModel(
            f"the vectorizers give {features} features, the matcher has weights for "
            f"{pipeline[-1].n_features_in_}"
        )
    model: onnx.ModelProto = convert_sklearn(
        pipeline,
        "faq",
        initial_types=[(INPUT, StringTensorType([None]))],
        target_opset=OPSETS,
        custom_parsers={type(pipeline): _parse},
        custom_shape_calculators={type(pipeline): _set_shape},
        custom_conversion_functions={type(pipeline): _convert},
        model_optim=False,
    )
    _sign(model, {_METADATA: json.dumps(_describe(pipeline), ensure_ascii=False, sort_keys=True)})
    if model.ByteSize() > _LARGEST_FILE:
        raise UnsupportedModel(
            f"the model takes {model.ByteSize()} bytes, an ONNX file holds {_LARGEST_FILE}: "
            "split the FAQs, or prune small weights"
        )
    return model


def read_faq_model(model: onnx.ModelProto | str | Path) -> Pipeline:
    """Rebuild the fitted pipeline from an exported model.

    Args:
        model: what `export_faq_model` returned, or the path of a file that holds it.

    Returns:
        A pipeline with the same answers; weights are those of the file, rounded to float32.

    Raises:
        ConverterError: the model was not written by `export_faq_model`.
    """
    proto = model if isinstance(model, onnx.ModelProto) else onnx.load(model)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    described = json.loads(metadata.get(_METADATA, "{}"))
    if described.get("format") != _FORMAT:
        raise ConverterError(
            f"not a FAQ model of this converter: metadata {_METADATA!r} with format {_FORMAT} "
            f"is expected, got format {described.get('format')!r}"
        )
    arrays = {one.name: one for one in proto.graph.initializer}
    vocabularies = _read_vocabularies(proto)
    vectorizers = [
        (one["name"], _read_vectorizer(one, vocabularies, arrays))
        for one in described["vectorizers"]
    ]
    weights = {one["name"]: one["weight"] for one in described["vectorizers"]}
    tables = _read_tables(arrays, sum(len(table) for table in vocabularies.values()))
    matcher = FaqMatcher.from_parts(described["classes"], merge_weights(tables), tables.intercept)
    features = FeatureUnion(vectorizers, transformer_weights=weights)
    return Pipeline([("features", features), ("matcher", matcher)])


def _vectorizers(pipeline: Pipeline) -> list[tuple[str, Any, float]]:
    """List name, vectorizer and weight; refuse what is not a FAQ pipeline."""
    steps = [step for _, step in pipeline.steps]
    if len(steps) != 2 or not isinstance(steps[1], FaqMatcher):
        raise UnsupportedModel(
            "a FAQ pipeline has two steps, the vectorizers and a FaqMatcher; got "
            + ", ".join(type(step).__name__ for step in steps)
        )
    union = steps[0]
    if not isinstance(union, FeatureUnion):
        union = FeatureUnion([pipeline.steps[0]])
    weights = union.transformer_weights or {}
    found = [(name, one, float(weights.get(name, 1.0))) for name, one in union.transformer_list]
    for name, one, _ in found:
        if type(one) not in (CountVectorizer, TfidfVectorizer):
            raise UnsupportedModel(
                f"{name!r} is a {type(one).__name__}: a FAQ pipeline takes TfidfVectorizer "
                "and CountVectorizer"
            )
    return found


def _check_vocabulary(name: str, vectorizer: Any) -> None:
    if len(known_terms(vectorizer)) != len(vectorizer.vocabulary_):
        raise UnsupportedModel(
            f"the vocabulary of {name!r} has terms that no text can contain; "
            "fit it on cleaned texts, without a vocabulary of your own"
        )


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Tell skl2onnx that the whole pipeline is one operator, which keeps it sparse."""
    operator = scope.declare_local_operator("FaqPipeline", model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable(OUTPUT, FloatTensorType()))
    return operator.outputs


def _set_shape(operator: Any) -> None:
    faqs = len(operator.raw_operator[-1].classes_)
    operator.outputs[0].type = FloatTensorType([None, faqs])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the pipeline's graph: features of one text, sparse, then scores and probabilities."""
    pipeline = operator.raw_operator
    columns, values, offset = [], [], 0
    body = GraphParts()
    for name, vectorizer, weight in _vectorizers(pipeline):
        body.prefix = _FEATURES.format(name)
        row = add_features(body, _TEXT, vectorizer)
        row = _scale(body, row, weight)
        columns.append(body.node("Add", row.columns, body.constant(offset)))
        values.append(row.values)
        offset += len(vectorizer.vocabulary_)
    body.prefix = _MATCHER
    matcher = pipeline[-1]
    tables = split_weights(matcher.coef_, matcher.intercept_)
    row = SparseRow(body.join(*columns), body.join(*values))
    result = body.node("Sigmoid", add_scores(body, row, tables))
    faqs = len(matcher.classes_)
    add_to_container(container, operator, "batch.", body, _TEXT, result, faqs)


def _scale(parts: GraphParts, row: SparseRow, weight: float) -> SparseRow:
    if weight == 1.0:
        return row
    factor = parts.constant(weight, np.float64)
    return SparseRow(row.columns, parts.node("Mul", row.values, factor))


def _describe(pipeline: Pipeline) -> dict[str, Any]:
    """List what cannot be read from the graph's tables."""
    vectorizers = []
    for name, vectorizer, weight in _vectorizers(pipeline):
        given = vectorizer.get_params()
        options = {option: given[option] for option in _OPTIONS if option in given}
        if not isinstance(options["stop_words"], str | None):
            options["stop_words"] = sorted(options["stop_words"])
        kind = type(vectorizer).__name__
        vectorizers.append({"name": name, "kind": kind, "weight": weight, "options": options})
    classes = pipeline[-1].classes_.tolist()
    return {"format": _FORMAT, "vectorizers": vectorizers, "classes": classes}


def _sign(model: onnx.ModelProto, metadata: dict[str, str]) -> None:
    """Set what skl2onnx leaves to chance or to its own version."""
    model.producer_name = PRODUCER
    model.producer_version = ""
    model.domain = ""
    model.ir_version = IR_VERSION
    del model.opset_import[:]
    for domain, version in sorted(OPSETS.items()):
        model.opset_import.append(onnx.helper.make_opsetid(domain, version))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)


def _read_vocabularies(proto: onnx.ModelProto) -> dict[str, dict[str, int]]:
    """Find the vocabulary tables in the loop over texts, by the name of their node."""
    loops = [node for node in proto.graph.node if node.op_type == "Loop"]
    vocabularies = {}
    for node in loops[0].attribute[0].g.node:
        if node.name.endswith("." + VOCABULARY):
            fields = {attribute.name: attribute for attribute in node.attribute}
            terms = [term.decode() for term in fields["keys_strings"].strings]
            vocabularies[node.name] = dict(zip(terms, fields["values_int64s"].ints, strict=True))
    return vocabularies


def _read_tables(arrays: dict[str, onnx.TensorProto], terms: int) -> HeadTables:
    names = {field: _MATCHER + field for field in HeadTables._fields}
    found = {field: name for field, name in names.items() if name in arrays}
    named = {field: numpy_helper.to_array(arrays[name]) for field, name in found.items()}
    return restore_tables(named, terms)


def _read_vectorizer(
    described: dict[str, Any],
    vocabularies: dict[str, dict[str, int]],
    arrays: dict[str, onnx.TensorProto],
) -> Any:
    name, options = described["name"], dict(described["options"])
    options["ngram_range"] = tuple(options["ngram_range"])
    kinds = {"TfidfVectorizer": TfidfVectorizer, "CountVectorizer": CountVectorizer}
    prefix = _FEATURES.format(name)
    vectorizer = kinds[described["kind"]](vocabulary=vocabularies[prefix + VOCABULARY], **options)
    with warnings.catch_warnings():
        # scikit-learn warns of given vocabularies that look odd; this one was fitted once.
        warnings.simplefilter("ignore")
        vectorizer.fit([""])
    if options.get("use_idf"):
        vectorizer.idf_ = numpy_helper.to_array(arrays[prefix + IDF])
    return vectorizer
