"""From the terms of one text to its counts or TF-IDF weights, sparse throughout.

G terms of a text, V size of the vocabulary, Z different known terms of a text.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from converters.graph_parts import GraphParts
from converters.text.terms import reachable

VOCABULARY = "vocabulary"
"""Name of the node that knows the vocabulary, and of the table of factors, after the prefix."""
IDF = "idf"


class SparseRow(NamedTuple):
    """One text's features: names of `columns`, int64 [Z] ascending, and `values`, double [Z]."""

    columns: str
    values: str


def add_counts(parts: GraphParts, terms: str, vectorizer: Any) -> SparseRow:
    """Count the known terms: terms [G] -> columns and counts [Z]."""
    table = known_terms(vectorizer)
    ids = parts.lookup(terms, table, default=-1, name=VOCABULARY)
    known = parts.node("GreaterOrEqual", ids, parts.constant(0))
    hits = parts.node("Compress", ids, known, axis=0)
    # Equal columns stand together once sorted; each change of value starts a column.
    count = parts.node("Shape", hits)
    ordered, _ = parts.outputs(2, "TopK", hits, count, largest=0, sorted=1)
    before = parts.slice(parts.join(parts.constant([-1]), ordered), 0, -1)
    changes = parts.node("Not", parts.node("Equal", ordered, before))
    starts = parts.node("Reshape", parts.node("NonZero", changes), parts.constant([-1]))
    ends = parts.slice(parts.join(starts, count), 1)
    counts = parts.node("Cast", parts.node("Sub", ends, starts), to=TensorProto.DOUBLE)
    columns = parts.pick(ordered, starts)
    if vectorizer.binary:
        counts = parts.node("Min", counts, parts.constant(1.0, np.float64))
    return SparseRow(columns, counts)


def known_terms(vectorizer: Any) -> dict[str, int]:
    """List the vocabulary by column, without the terms that no text can contain."""
    pairs = sorted(vectorizer.vocabulary_.items(), key=lambda pair: pair[1])
    return {term: int(column) for term, column in pairs if reachable(term, vectorizer)}


def add_tfidf(
    parts: GraphParts,
    row: SparseRow,
    idf: npt.NDArray[np.float64] | None,
    sublinear: bool,
    norm: str | None,
) -> SparseRow:
    """Weight and normalise counts as scikit-learn's TfidfTransformer does.

    Args:
        row: columns and counts of one text.
        idf: [V] factor per column, or None to use no such factor.
        sublinear: replace a count c by 1 + log(c).
        norm: "l2", "l1" or None.
    """
    values = row.values
    if sublinear:
        values = parts.node("Add", parts.node("Log", values), parts.constant(1.0, np.float64))
    if idf is not None:
        factors = parts.pick(parts.table(IDF, idf.astype(np.float64)), row.columns)
        values = parts.node("Mul", values, factors)
    if norm is not None:
        length = parts.node(
            {"l1": "ReduceL1", "l2": "ReduceL2"}[norm], values, parts.constant([0]), keepdims=1
        )
        # A text without weight stays zero, like in scikit-learn, instead of becoming NaN.
        nothing = parts.node("Equal", length, parts.constant(0.0, np.float64))
        divisor = parts.node("Where", nothing, parts.constant(1.0, np.float64), length)
        values = parts.node("Div", values, divisor)
    return SparseRow(row.columns, values)


def add_dense(parts: GraphParts, row: SparseRow, width: int) -> str:
    """Spread a sparse row over all its columns: float32 [width]."""
    zeros = parts.node("ConstantOfShape", parts.constant([width]))
    values = parts.node("Cast", row.values, to=TensorProto.FLOAT)
    return parts.node("ScatterElements", zeros, row.columns, values)
