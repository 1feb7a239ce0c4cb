"""The graph's analyzers cut a text into the very terms that scikit-learn's analyzers give."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.feature_extraction.text import CountVectorizer

from converters.errors import UnsupportedModel
from converters.graph_parts import IR_VERSION, OPSETS, GraphParts
from converters.text.folding import add_folding
from converters.text.patterns import re2_pattern
from converters.text.tables import ALL_CHARACTERS
from converters.text.terms import add_terms, reachable

Cut = Callable[[str], list[str]]

ANALYZERS = {
    "words": CountVectorizer(lowercase=False),
    "words, lower case": CountVectorizer(),
    "words 1-3": CountVectorizer(lowercase=False, ngram_range=(1, 3)),
    "words 2-2": CountVectorizer(ngram_range=(2, 2)),
    "words 1-2 without stop words": CountVectorizer(ngram_range=(1, 2), stop_words="english"),
    "words without accents": CountVectorizer(strip_accents="unicode"),
    "words in lower case ASCII": CountVectorizer(strip_accents="ascii"),
    "runs without blanks": CountVectorizer(token_pattern=r"\S+", ngram_range=(1, 2)),
    "char": CountVectorizer(analyzer="char", lowercase=False),
    "char 1-4, lower case": CountVectorizer(analyzer="char", ngram_range=(1, 4)),
    "char 3-3": CountVectorizer(analyzer="char", ngram_range=(3, 3), lowercase=False),
    "char_wb": CountVectorizer(analyzer="char_wb", lowercase=False),
    "char_wb 1-2": CountVectorizer(analyzer="char_wb", ngram_range=(1, 2)),
    "char_wb 2-2": CountVectorizer(analyzer="char_wb", ngram_range=(2, 2), lowercase=False),
    "char_wb 3-5": CountVectorizer(analyzer="char_wb", ngram_range=(3, 5), lowercase=False),
    "char_wb 3-5, lower case": CountVectorizer(analyzer="char_wb", ngram_range=(3, 5)),
    "char_wb 4-4": CountVectorizer(analyzer="char_wb", ngram_range=(4, 4)),
    "char_wb 5-7": CountVectorizer(analyzer="char_wb", ngram_range=(5, 7), lowercase=False),
}

# Letters, blanks and marks whose neighbours decide what becomes of them.
TRICKY = st.text(st.sampled_from("aAbzΣσİıʰ\u0301'.-_1é日 \n\t\u00a0\u001f\u200b\x00\x01\x02ǅ😀"))
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"])) | TRICKY


def cutter(add: Callable[[GraphParts, str], str]) -> Cut:
    """Compile a graph from one text to strings."""
    parts = GraphParts()
    terms = add(parts, "text")
    graph = parts.graph(
        "terms",
        [helper.make_tensor_value_info("text", TensorProto.STRING, [1])],
        [helper.make_tensor_value_info(terms, TensorProto.STRING, [None])],
    )
    opsets = [helper.make_opsetid(*pair) for pair in OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda text: session.run(None, {"text": np.array([text], dtype=object)})[0].tolist()


def assert_same_terms(vectorizer: Any, cut: Cut, text: str) -> None:
    """Compare the terms that a vocabulary could hold, with how often each occurs."""
    expected = Counter(vectorizer.build_analyzer()(text))
    got = Counter(term for term in cut(text) if reachable(term, vectorizer))
    assert got == expected


@pytest.fixture(scope="module", params=ANALYZERS.values(), ids=list(ANALYZERS))
def analyzer(request: pytest.FixtureRequest) -> tuple[CountVectorizer, Cut]:
    vectorizer = request.param
    return vectorizer, cutter(lambda parts, text: add_terms(parts, text, vectorizer))


@pytest.fixture(scope="module")
def word_cut() -> Cut:
    return cutter(lambda parts, text: add_terms(parts, text, ANALYZERS["words"]))


def test_nasty_texts(analyzer: tuple[CountVectorizer, Cut], nasty_texts: list[str]) -> None:
    """No text, however odd or long, is cut differently."""
    vectorizer, cut = analyzer
    for text in nasty_texts:
        assert_same_terms(vectorizer, cut, text)


@settings(max_examples=60)
@given(text=ANY_TEXT)
def test_random_texts(analyzer: tuple[CountVectorizer, Cut], text: str) -> None:
    """No combination of neighbouring characters is cut differently."""
    assert_same_terms(*analyzer, text)


def test_every_code_point_in_words(word_cut: Cut) -> None:
    """Each code point of Unicode joins or parts words as Python's re module has it."""
    for start in range(0, len(ALL_CHARACTERS), 4096):
        text = " ".join(f"a{one}b {one}" for one in ALL_CHARACTERS[start : start + 4096])
        assert word_cut(text) == re.findall(r"(?u)\b\w\w+\b", text)


@pytest.mark.parametrize(("lowercase", "strip_accents"), [(True, None), (False, "unicode")])
def test_every_code_point_is_folded(lowercase: bool, strip_accents: str | None) -> None:
    """Each code point, alone and around a sigma, folds as in scikit-learn's preprocessing."""
    fold = build_preprocessor(lowercase, strip_accents)
    cut = cutter(lambda parts, text: add_folding(parts, text, lowercase, strip_accents))
    for start in range(0, len(ALL_CHARACTERS), 8192):
        text = " ".join(f"xΣ{one}x{one}Σ" for one in ALL_CHARACTERS[start : start + 8192])
        assert cut(text) == [fold(text)]


def build_preprocessor(lowercase: bool, strip_accents: str | None) -> Callable[[str], str]:
    return CountVectorizer(lowercase=lowercase, strip_accents=strip_accents).build_preprocessor()


def test_every_code_point_as_a_character() -> None:
    """Each code point is a blank, or is none, as Python has it."""
    vectorizer = ANALYZERS["char_wb 2-2"]
    cut = cutter(lambda parts, text: add_terms(parts, text, vectorizer))
    for start in range(0, len(ALL_CHARACTERS), 8192):
        text = "".join(f" {one}a" for one in ALL_CHARACTERS[start : start + 8192])
        assert_same_terms(vectorizer, cut, text)


PATTERNS = [
    r"(?u)\b\w\w+\b",
    r"\b\w+\b",
    r"\b\w{3,}\b",
    r"\b(\w\w\w*)\b",
    r"\w+",
    r"(\w+)",
    r"\S+",
    r"[a-z]+",
    r"[^\W\d_]{2,10}",
    r"[^\s,;.]+",
    r"[A-Za-zÀ-ÿ]+",
    r"[][a]+",
    r"(?:\d+|[a-z]+)",
    r"[a-z]+(?:-[a-z]+)*",
    r"#?\w+",
    r"\w+|[^\w\s]",
    r"(?:ab|cd?)+",
    r"(?s).",
    r".",
    r"\w\w?",
    r"\.\w+\n?",
    r"\x61\u00e9?",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_token_patterns(pattern: str, nasty_texts: list[str]) -> None:
    """A token pattern that is taken finds what Python finds, beyond ASCII too."""
    cut = cutter(lambda parts, text: parts.tokenize(text, tokenexp=re2_pattern(pattern)))
    extra = ["abcabab a-b-c #tag 12345 ab]c[ \u00e9a aé .x\n", "a", "\n"]
    for text in [*nasty_texts, *extra]:
        assert cut(text) == re.findall(pattern, text)


ITEMS = st.sampled_from(
    ["a", "b", "é", "Σ", " ", r"\w", r"\W", r"\d", r"\s", r"\S", ".", "[ab]", "[^a]", r"[\wé]"]
)
REPEATS = st.sampled_from(["", "", "+", "*", "?", "{2}", "{1,3}", "{2,}"])


def _compose(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(st.builds("{}{}".format, children, REPEATS), min_size=1, max_size=3)
    branches = st.lists(sequences.map("".join), min_size=1, max_size=3)
    return branches.map(lambda some: f"(?:{'|'.join(some)})")


@given(pattern=st.recursive(ITEMS, _compose, max_leaves=6), texts=st.lists(TRICKY, min_size=4))
def test_random_token_patterns(pattern: str, texts: list[str]) -> None:
    """Whatever is built from the parts that are taken either agrees with Python or is refused."""
    try:
        translated = re2_pattern(pattern)
    except UnsupportedModel:
        return
    cut = cutter(lambda parts, text: parts.tokenize(text, tokenexp=translated))
    for text in [*texts, "ab", "aab éa ΣΣ 12b", "bbbaaabbb"]:
        assert cut(text) == re.findall(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        (r"\b[a-z]+\b", "'\\\\b["),
        (r"\bab", "'\\\\ba"),
        (r"\b\w*\b", "'\\\\b"),
        (r"a|ab", "one character"),
        (r"\d{2}|\d", "one character"),
        (r"\w*a", "one character"),
        (r"(?:ab?)(?:bc)?", "one character"),
        (r"a|", "empty string"),
        (r"(?:a|b?)c", "empty string"),
        (r"a{0}b", "the repeat"),
        (r"(?:\w{5}-){5}", "large classes"),
        (r"\w*", "empty string"),
        (r"(?i)[a-z]+", "flags"),
        (r"(?a)\w+", "flags"),
        (r"(?x) \w+", "flags"),
        (r"\w+?", "lazy"),
        (r"\w++", "possessive"),
        (r"(?<=a)b", "'(?<'"),
        (r"a(?=b)", "'(?='"),
        (r"(?>ab)", "'(?>'"),
        (r"(a)\1", "capturing group"),
        (r"x(\w+)", "capturing group"),
        (r"(\w+)x", "capturing group"),
        (r"(\w+)+", "capturing group"),
        (r"(a)\)", "capturing group"),
        (r"(?P<word>\w+)", "capturing group"),
        (r"^\w+", "'^"),
        (r"\w+$", "'$'"),
        (r"\Aab", "'\\\\Aa'"),
        (r"a{,3}b", "'{,3'"),
        (r"a{1001}", "the repeat '{1001}'"),
        (r"(?:a*)+b", "repeated group"),
        (r"(?:a?b?)*c", "repeated group"),
        (r"[^\w\W]|a", "no character"),
    ],
)
def test_refused_token_patterns(pattern: str, named: str) -> None:
    """What RE2 might read differently is refused, and the message shows the part and a way out."""
    with pytest.raises(UnsupportedModel) as caught:
        re2_pattern(pattern)
    assert named in str(caught.value)
    assert "Use the default token_pattern" in str(caught.value)
