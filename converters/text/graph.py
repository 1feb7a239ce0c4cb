"""skl2onnx converters for scikit-learn's text vectorizers, exact where they convert at all.

The stock converters are wrong without a warning for sublinear_tf, for stop words with n-grams
and for words beyond ASCII. These either agree with scikit-learn or raise UnsupportedModel.
"""

from typing import Any

from onnx import NodeProto, TensorProto, helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from converters.errors import UnsupportedModel
from converters.graph_parts import OPSETS, GraphParts, add_text_loop
from converters.text.terms import add_terms
from converters.text.tfidf_transformer import register_tfidf_transformer
from converters.text.weights import SparseRow, add_counts, add_dense, add_tfidf

_ANALYZERS = ("word", "char", "char_wb")
_ACCENTS = (None, "ascii", "unicode")


def register_text_converters() -> None:
    """Make skl2onnx use the converters of this module in place of its own."""
    for vectorizer in (CountVectorizer, TfidfVectorizer):
        update_registered_converter(
            vectorizer,
            f"ModelServer{vectorizer.__name__}",
            vectorizer_shape,
            convert_vectorizer,
        )
    register_tfidf_transformer()


def check_vectorizer(vectorizer: Any) -> None:
    """Refuse options that a graph cannot follow.

    Raises:
        UnsupportedModel: naming the option, its value and what to use instead.
    """
    name = type(vectorizer).__name__
    for option in ("tokenizer", "preprocessor"):
        if getattr(vectorizer, option) is not None:
            raise UnsupportedModel(
                f"{name} has a custom {option}: Python code cannot be exported. Clean or split "
                f"the text before it reaches the pipeline, leave {option}=None and fit again"
            )
    if vectorizer.analyzer not in _ANALYZERS:
        raise UnsupportedModel(
            f"{name} has analyzer={vectorizer.analyzer!r}: use one of {_ANALYZERS} and fit again"
        )
    if vectorizer.strip_accents not in _ACCENTS:
        raise UnsupportedModel(
            f"{name} has strip_accents={vectorizer.strip_accents!r}: use one of {_ACCENTS} "
            "and fit again"
        )
    if vectorizer.input != "content":
        raise UnsupportedModel(
            f"{name} has input={vectorizer.input!r}: a served model gets texts, not files; "
            "use input='content'"
        )


def add_features(parts: GraphParts, text: str, vectorizer: Any) -> SparseRow:
    """Compute a vectorizer's features of one text [1], sparse.

    Raises:
        UnsupportedModel: an option of the vectorizer has no exact form.
    """
    check_vectorizer(vectorizer)
    row = add_counts(parts, add_terms(parts, text, vectorizer), vectorizer)
    if not isinstance(vectorizer, TfidfVectorizer):
        return row
    idf = vectorizer.idf_ if vectorizer.use_idf else None
    return add_tfidf(parts, row, idf, vectorizer.sublinear_tf, vectorizer.norm)


def vectorizer_shape(operator: Any) -> None:
    """Tell skl2onnx the shape of a vectorizer's output: [N, V] float32."""
    rows = operator.inputs[0].get_first_dimension()
    width = len(operator.raw_operator.vocabulary_)
    operator.outputs[0].type = FloatTensorType([rows, width])


def convert_vectorizer(scope: Any, operator: Any, container: Any) -> None:
    """Add a vectorizer to skl2onnx's graph: strings [N] or [N, 1] -> features [N, V] float32."""
    vectorizer = operator.raw_operator
    if not isinstance(operator.inputs[0].type, StringTensorType):
        raise UnsupportedModel(
            f"{type(vectorizer).__name__} gets an input that is not declared as text; "
            "declare it with --inputs NAME:string"
        )
    prefix = scope.get_unique_variable_name(type(vectorizer).__name__.lower()) + "."
    body = GraphParts(prefix + "text.")
    width = len(vectorizer.vocabulary_)
    text = f"{body.prefix}input"
    result = add_dense(body, add_features(body, text, vectorizer), width)
    add_to_container(container, operator, prefix, body, text, result, width)


def add_to_container(
    container: Any,
    operator: Any,
    prefix: str,
    body: GraphParts,
    text: str,
    result: str,
    width: int,
) -> None:
    """Run a graph for one text over the operator's input, and give it to skl2onnx.

    Args:
        container: skl2onnx's collector of nodes.
        operator: has one text input and one float output.
        prefix: starts the names of what is added.
        body: computes `result`, float32 [width], from `text`, string [1].
        text: the name under which `body` expects its text.
        result: the name of the body's result.
        width: number of features or scores.
    """
    parts = GraphParts(prefix)
    texts = parts.node("Reshape", operator.inputs[0].full_name, parts.constant([-1]))
    stacked = add_text_loop(parts, texts, body, text, result, width)
    parts.nodes.append(_cast(stacked, operator.outputs[0].full_name))
    container.initializers.extend(parts.constants + parts.tables)
    container.nodes.extend(parts.nodes)
    container.node_domain_version_pair_sets.update(OPSETS.items())


def _cast(name: str, output: str) -> NodeProto:
    """Name a result; skl2onnx may rename what Identity links, but not a Loop's output."""
    return helper.make_node("Cast", [name], [output], output + "_cast", to=TensorProto.FLOAT)
