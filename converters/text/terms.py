"""From one text to its terms, the way a fitted CountVectorizer's analyzer cuts it.

Terms are built as the very strings that scikit-learn builds, and looked up in the same
dictionary. Nothing separates or pads them, so there is no character that a text may not hold.

T tokens of a text, G terms (n-grams) of a text.
"""

from typing import Any

from onnx import TensorProto

from converters.graph_parts import GraphParts
from converters.text.folding import add_folding
from converters.text.patterns import re2_pattern
from converters.text.tables import whitespace


def add_terms(parts: GraphParts, text: str, vectorizer: Any) -> str:
    """Cut one text [1] into all its terms [G], repeats included."""
    text = add_folding(parts, text, vectorizer.lowercase, vectorizer.strip_accents)
    add = {"word": _add_words, "char": _add_char, "char_wb": _add_char_wb}[vectorizer.analyzer]
    return add(parts, text, vectorizer)


def reachable(term: str, vectorizer: Any) -> bool:
    """Tell whether any text that ONNX Runtime can hold contains this term.

    A vocabulary given by the user may hold terms that scikit-learn never produces; a graph that
    looks up more n-grams than scikit-learn must not find them.
    """
    if any("\ud800" <= one <= "\udfff" for one in term):
        return False
    if vectorizer.analyzer != "char_wb":
        return True
    low, high = vectorizer.ngram_range
    inside = term[1:-1] if len(term) > 1 else ""
    if any(one.isspace() for one in inside) or len(term) > high:
        return False
    return len(term) >= low or _is_whole_word(term)


def _is_whole_word(term: str) -> bool:
    return len(term) > 2 and term[0] == term[-1] == " "


def _add_words(parts: GraphParts, text: str, vectorizer: Any) -> str:
    tokens = parts.tokenize(text, tokenexp=re2_pattern(vectorizer.token_pattern))
    stop_words = vectorizer.get_stop_words()
    if stop_words:
        table = {word: 1 for word in sorted(stop_words) if word}
        kept = parts.node("Equal", parts.lookup(tokens, table, default=0), parts.constant(0))
        tokens = parts.node("Compress", tokens, kept, axis=0)
    low, high = vectorizer.ngram_range
    return _add_ngrams(parts, tokens, low, high, separator=" ")


def _add_char(parts: GraphParts, text: str, vectorizer: Any) -> str:
    """Cut into n-grams of characters; a run of two or more blanks counts as one space."""
    characters = parts.characters(text)
    blank = _add_blank_marks(parts, characters)
    edge = parts.constant([0])
    before = parts.slice(parts.join(edge, blank), 0, -1)
    after = parts.slice(parts.join(blank, edge), 1)
    opens_run = parts.node("Greater", parts.node("Mul", blank, after), parts.constant(0))
    spaced = parts.node("Where", opens_run, parts.constant([" "], object), characters)
    kept = parts.node("Equal", parts.node("Mul", blank, before), parts.constant(0))
    stream = parts.node("Compress", spaced, kept, axis=0)
    low, high = vectorizer.ngram_range
    return _add_ngrams(parts, stream, low, high)


def _add_char_wb(parts: GraphParts, text: str, vectorizer: Any) -> str:
    """Cut into n-grams of characters that stay inside words padded with a space.

    " to be " holds the n-grams of " to " and of " be ", and others that reach into two words;
    those have a space inside, which no term of the vocabulary has.
    """
    space = parts.constant([" "], object)
    padded = parts.node("StringConcat", parts.node("StringConcat", space, text), space)
    characters = parts.characters(padded)
    blank = _add_blank_marks(parts, characters)
    is_blank = parts.node("Cast", blank, to=TensorProto.BOOL)
    before = parts.slice(parts.join(parts.constant([0]), blank), 0, -1)
    kept = parts.node("Equal", parts.node("Mul", blank, before), parts.constant(0))
    spaced = parts.node("Where", is_blank, space, characters)
    stream = parts.node("Compress", spaced, kept, axis=0)

    low, high = vectorizer.ngram_range
    # A word shorter than n counts once, as itself: a shorter term, but with both its spaces.
    terms = _add_ngrams(parts, stream, max(min(low, 3), 2), high) if high > 1 else ""
    if low > 1:
        return terms
    single = _add_single_characters(parts, stream, space)
    return parts.join(single, terms) if terms else single


def _add_single_characters(parts: GraphParts, stream: str, space: str) -> str:
    """List the 1-grams of char_wb: each word brings its own two spaces."""
    opening = parts.slice(stream, 0, -1)
    opening_space = parts.node("Compress", opening, parts.node("Equal", opening, space), axis=0)
    return parts.join(parts.slice(stream, 1), opening_space)


def _add_blank_marks(parts: GraphParts, characters: str) -> str:
    return parts.lookup(characters, dict.fromkeys(whitespace(), 1), default=0)


def _add_ngrams(
    parts: GraphParts, tokens: str, low: int, high: int, separator: str | None = None
) -> str:
    """Build all n-grams from n = low to high: tokens [T] -> terms [G]."""
    levels = [tokens] if low == 1 else []
    grams = tokens
    for length in range(2, high + 1):
        left = parts.slice(grams, 0, -1)
        if separator is not None:
            left = parts.node("StringConcat", left, parts.constant([separator], object))
        grams = parts.node("StringConcat", left, parts.slice(tokens, length - 1))
        if length >= low:
            levels.append(grams)
    return parts.join(*levels)
