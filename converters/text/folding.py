"""Lower-casing and accent stripping inside a graph, exactly as Python does them.

The StringNormalizer operator is not used: it needs a locale that slim images lack, and its
locale's idea of lower case is not Python's.
"""

import numpy as np
from onnx import TensorProto, helper

from converters.graph_parts import ML_DOMAIN, GraphParts
from converters.text.tables import CASED, IGNORABLE, folding, sigma_context

# Stands for "not in the table". No single character folds to anything this long.
_UNCHANGED = "unchanged"


def add_folding(parts: GraphParts, text: str, lowercase: bool, strip_accents: str | None) -> str:
    """Fold one text [1] -> [1], as the `lowercase` and `strip_accents` options ask."""
    if not lowercase and strip_accents is None:
        return text
    characters = parts.characters(text)
    folded = _add_replacements(parts, characters, folding(lowercase, strip_accents))
    if lowercase:
        # NFKD leaves the final sigma as it is, and ASCII has none.
        final_sigma = "" if strip_accents == "ascii" else "ς"
        folded = _add_final_sigmas(parts, characters, folded, final_sigma)
    return _add_join(parts, folded)


def _add_replacements(parts: GraphParts, characters: str, table: dict[str, str]) -> str:
    replaced = parts.node(
        "LabelEncoder",
        characters,
        domain=ML_DOMAIN,
        keys_strings=list(table),
        values_strings=list(table.values()),
        default_string=_UNCHANGED,
    )
    unchanged = parts.node("Equal", replaced, parts.constant([_UNCHANGED], object))
    return parts.node("Where", unchanged, characters, replaced)


def _add_final_sigmas(parts: GraphParts, characters: str, folded: str, final_sigma: str) -> str:
    """Replace each sigma behind a cased character and before none; ignorable ones are skipped."""
    kinds = parts.lookup(characters, sigma_context(), default=0)
    solid = parts.node("Not", parts.node("Equal", kinds, parts.constant(IGNORABLE)))
    places = parts.node("Reshape", parts.node("NonZero", solid), parts.constant([-1]))
    solid_kinds = parts.pick(kinds, places)
    edge = parts.constant([0])
    before = parts.slice(parts.join(edge, solid_kinds), 0, -1)
    after = parts.slice(parts.join(solid_kinds, edge), 1)

    cased = parts.constant(CASED)
    sigma = parts.node("Equal", parts.pick(characters, places), _sigma(parts))
    closes = parts.node(
        "And",
        parts.node("Equal", before, cased),
        parts.node("Not", parts.node("Equal", after, cased)),
    )
    final = parts.node("And", sigma, closes)
    nowhere = parts.node("ConstantOfShape", parts.node("Shape", characters))  # float32 zeros
    marks = parts.node(
        "ScatterElements", nowhere, places, parts.node("Cast", final, to=TensorProto.FLOAT)
    )
    marked = parts.node("Cast", marks, to=TensorProto.BOOL)
    return parts.node("Where", marked, parts.constant([final_sigma], object), folded)


def _sigma(parts: GraphParts) -> str:
    return parts.constant(["Σ"], object)


def _add_join(parts: GraphParts, pieces: str) -> str:
    """Concatenate strings [T] -> [1] by joining neighbours until one string is left."""
    body = GraphParts(parts.prefix + "join_")
    turn, go, state = (f"{body.prefix}{word}" for word in ("turn", "go", "state"))
    even = body.slice(state, 0, step=2)
    odd = body.slice(body.join(body.slice(state, 1, step=2), body.constant([""], object)), 0)
    pairs = body.node("Shape", even)
    odd = body.node("Slice", odd, body.constant([0]), pairs, body.constant([0]))
    joined = body.node("StringConcat", even, odd)
    more = body.node("Squeeze", body.node("Greater", pairs, body.constant([1])))
    graph = body.graph(
        f"{body.prefix}neighbours",
        [
            helper.make_tensor_value_info(turn, TensorProto.INT64, []),
            helper.make_tensor_value_info(go, TensorProto.BOOL, []),
            helper.make_tensor_value_info(state, TensorProto.STRING, [None]),
        ],
        [
            helper.make_tensor_value_info(more, TensorProto.BOOL, []),
            helper.make_tensor_value_info(joined, TensorProto.STRING, [None]),
        ],
    )
    start = parts.join(parts.constant([""], object), pieces)  # never empty
    return parts.node("Loop", "", parts.constant(True, np.bool_), start, body=graph)
