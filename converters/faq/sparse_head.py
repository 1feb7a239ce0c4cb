"""A linear layer whose graph, file and memory follow the weights that exist, never F x V.

Terms that most FAQs have a weight for are kept as dense rows of F weights, which are added up
fastest. All others are kept as posting lists: the FAQs that have a weight, and that weight.

F FAQs, V features, Z non-zero features of one text, D dense terms, P postings of one text.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, numpy_helper
from scipy import sparse

from converters.graph_parts import GraphParts
from converters.text.weights import SparseRow

# A term becomes a dense row when at least one FAQ in this many has a weight for it. A posting
# takes 8 bytes and a dense weight 4, so a dense row is at most half this many times larger.
DENSE_SHARE = 8


class HeadTables(NamedTuple):
    """The weights of all FAQs as a graph stores them; `starts` and `slots` are int32.

    Attributes:
        slots: [V] row of each term in `dense`, or -1.
        dense: [D, F] float32 weights of the terms that most FAQs have.
        starts: [V + 1] where each term's postings start.
        faqs: [all postings] int32, columns of the output.
        weights: [all postings] float32.
        intercept: [F] float32.
    """

    slots: npt.NDArray[np.int32]
    dense: npt.NDArray[np.float32]
    starts: npt.NDArray[np.int32]
    faqs: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    intercept: npt.NDArray[np.float32]


def split_weights(coef: Any, intercept: Any) -> HeadTables:
    """Sort the terms into dense rows and posting lists.

    Args:
        coef: [F, V] sparse weights.
        intercept: [F].
    """
    by_term = sparse.csc_array(coef, dtype=np.float32, copy=True)
    by_term.sort_indices()
    by_term.eliminate_zeros()
    faqs, terms = by_term.shape
    counts = np.diff(by_term.indptr)
    common = counts * DENSE_SHARE >= max(faqs, 1)
    slots = np.full(terms, -1, np.int32)
    slots[common] = np.arange(common.sum(), dtype=np.int32)
    dense = by_term[:, np.flatnonzero(common)].T.toarray()
    rare = np.repeat(~common, counts)
    starts = np.concatenate([[0], np.cumsum(np.where(common, 0, counts))])
    return HeadTables(
        slots,
        np.ascontiguousarray(dense, dtype=np.float32),
        starts.astype(np.int32),
        by_term.indices[rare].astype(np.int32),
        by_term.data[rare],
        np.asarray(intercept, np.float32),
    )


def used_tables(tables: HeadTables) -> dict[str, npt.NDArray[Any]]:
    """Name the tables that a graph needs; an empty form of storage needs none."""
    named: dict[str, npt.NDArray[Any]] = {"intercept": tables.intercept}
    if len(tables.dense):
        named |= {"slots": tables.slots, "dense": tables.dense}
    if len(tables.faqs):
        named |= {"starts": tables.starts, "faqs": tables.faqs, "weights": tables.weights}
    return named


def restore_tables(named: dict[str, npt.NDArray[Any]], terms: int) -> HeadTables:
    """Undo `used_tables` for a head of `terms` features."""
    faqs = len(named["intercept"])
    empty = {
        "slots": np.full(terms, -1, np.int32),
        "dense": np.zeros((0, faqs), np.float32),
        "starts": np.zeros(terms + 1, np.int32),
        "faqs": np.zeros(0, np.int32),
        "weights": np.zeros(0, np.float32),
    }
    return HeadTables(**(empty | named))


def merge_weights(tables: HeadTables) -> sparse.csr_array:
    """Undo `split_weights`: the weights as [F, V] float64, compressed sparse rows."""
    columns = np.flatnonzero(tables.slots >= 0)
    rows, faqs = np.nonzero(tables.dense)
    rare = np.repeat(np.arange(len(tables.slots)), np.diff(tables.starts))
    values = np.concatenate([tables.dense[rows, faqs], tables.weights]).astype(np.float64)
    places = np.concatenate([faqs, tables.faqs]), np.concatenate([columns[rows], rare])
    shape = len(tables.intercept), len(tables.slots)
    return sparse.coo_array((values, places), shape=shape).tocsr()


def add_scores(parts: GraphParts, row: SparseRow, tables: HeadTables) -> str:
    """Score one text against every FAQ: sparse features -> [F] float32, before the sigmoid."""
    for name, array in used_tables(tables).items():
        parts.table(name, array)
    values = parts.node("Cast", row.values, to=TensorProto.FLOAT)
    scores = parts.prefix + "intercept"
    if len(tables.dense):
        scores = parts.node("Add", _add_dense_scores(parts, row.columns, values), scores)
    if len(tables.faqs):
        scores = _add_posted_scores(parts, row.columns, values, scores)
    return scores


def _add_dense_scores(parts: GraphParts, columns: str, values: str) -> str:
    """Add up the dense rows of a text's terms: columns, values [Z] -> [F]."""
    slots = parts.pick(parts.prefix + "slots", columns)
    common = parts.node("GreaterOrEqual", slots, parts.constant(0, np.int32))
    picked = parts.node("Compress", slots, common, axis=0)
    rows = parts.node("Gather", parts.prefix + "dense", picked)
    factors = parts.node("Compress", values, common, axis=0)
    one_row = parts.node("Unsqueeze", factors, parts.constant([0]))
    product = parts.node("MatMul", one_row, rows)
    return parts.node("Squeeze", product, parts.constant([0]))


def _add_posted_scores(parts: GraphParts, columns: str, values: str, scores: str) -> str:
    """Add the postings of a text's terms to scores [F]."""
    one = parts.constant(1)
    starts = _add_start(parts, columns)
    counts = parts.node("Sub", _add_start(parts, parts.node("Add", columns, one)), starts)
    ends = parts.node("CumSum", counts, parts.constant(0))
    total = parts.node("ReduceSum", counts, parts.constant([0]), keepdims=1)

    # The number of the term that each posting belongs to: count the ends at or before it.
    room = parts.node("Add", total, parts.constant([1]))
    zero = numpy_helper.from_array(np.array([0], np.int64))
    blank = parts.node("ConstantOfShape", room, value=zero)
    ones = parts.node("Expand", parts.constant([1]), parts.node("Shape", ends))
    marks = parts.node("ScatterElements", blank, ends, ones, reduction="add")
    owners = parts.node("CumSum", marks, parts.constant(0))
    owners = parts.node("Slice", owners, parts.constant([0]), total)

    shifts = parts.node("Add", parts.node("Sub", starts, ends), counts)
    numbers = parts.node("Range", parts.constant(0), parts.node("Squeeze", total), one)
    places = parts.node("Add", numbers, parts.pick(shifts, owners))
    faqs = parts.pick(parts.prefix + "faqs", places)
    weights = parts.pick(parts.prefix + "weights", places)
    shares = parts.node("Mul", weights, parts.pick(values, owners))
    return parts.node("ScatterElements", scores, faqs, shares, reduction="add")


def _add_start(parts: GraphParts, columns: str) -> str:
    start = parts.pick(parts.prefix + "starts", columns)
    return parts.node("Cast", start, to=TensorProto.INT64)
