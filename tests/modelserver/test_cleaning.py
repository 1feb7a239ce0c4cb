"""Cleaning: the same words at training and serving, whatever the text looks like."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelserver.cleaning import clean_text

RULES = [
    ("nothing", "", ""),
    ("blank", " \t\r\n ", ""),
    ("plain", "How do I clone an array?", "how do i clone an array?"),
    ("white space", " a\n\n b\t\xa0\u2003c ", "a b c"),
    ("unicode", "ÄÖÜ Straße ΑΣ 漢字", "äöü straße ας 漢字"),
    ("block tags part words", "<p>One</p><p>Two<br>three<br/>four</p>", "one two three four"),
    ("inline tags do not", "<b>b</b>old <em class='x'>it</em>alic", "bold italic"),
    ("upper-case tags", "<P>One</P><UL><LI>two</LI></UL>", "one two"),
    ("attributes", '<p class="a" id=b>x</p><img src="y.png" alt="z">', "x"),
    ("code words stay", "use <code>Array.from(x)</code> here", "use array.from(x) here"),
    ("code blocks go", "see <pre><code>var x = 1;</code></pre> above", "see above"),
    ("unclosed code block", "see <pre><code>var x = 1;", "see"),
    ("link texts stay", 'see <a href="https://x.org">the docs</a>', "see the docs"),
    ("link texts that are URLs go", 'see <a href="u"> https://x.org/a</a> now', "see now"),
    ("marked-up URLs too", 'see <a href="u"><b>HTTP://x.org</b></a> now', "see now"),
    ("bare URLs stay", "see https://x.org now", "see https://x.org now"),
    ("empty link", '<a name="top"></a> https://x.org fails for me', "https://x.org fails for me"),
    ("image link", '<a href="u"><img src="u"></a> ftp://x.org fails', "ftp://x.org fails"),
    ("link in code block", "<pre><a href='u'>x</a></pre> http://x.org fails", "http://x.org fails"),
    ("two links", '<a href="u">http://a</a> or <a href="u">http://b</a>!', "or !"),
    (
        "banner",
        "<blockquote><p><strong>Possible Duplicate:</strong><br><a href='u'>The answer</a></p>"
        "</blockquote><p>My question</p>",
        "my question",
    ),
    (
        "newer banner",
        "<blockquote>This question already has answers here: <a href='u'>The answer</a>"
        "</blockquote> mine",
        "mine",
    ),
    (
        "other quotes stay",
        "<blockquote>Uncaught TypeError</blockquote> why",
        "uncaught typeerror why",
    ),
    ("banner words outside stay", "possible duplicate: of what", "possible duplicate: of what"),
    ("entities", "a &lt; b &amp;&amp; c &eacute; &#39;d&#x27;", "a < b && c é 'd'"),
    ("entities once", "&amp;lt;", "&lt;"),
    ("escaped tags are text", "the &lt;pre&gt; tag", "the <pre> tag"),
    ("comparisons", "if (a <b && c> d)", "if (a <b && c> d)"),
    ("generics", "List<String> and <T>", "list<string> and <t>"),
    ("unknown tags", "<script>x</script> <my-tag>", "<script>x</script> <my-tag>"),
    ("controls", "a\x00b\x07c\x7fd\x9fe\ufffef", "a b c d e f"),
    ("controls by entity", "a&#0;b&#1;c&#x85;d", "a\ufffdbc…d"),
    ("surrogate by entity", "&#xD800;", "\ufffd"),
    ("padded number", f"&#{'0' * 5000}65;", "a"),
    ("huge number", f"&#{'9' * 5000}; x", "\ufffd x"),
    ("huge hexadecimal", f"&#x{'f' * 5000}; x", "\ufffd x"),
    ("huge number without end", f"&#{'9' * 5000} x", "\ufffd x"),
]


@pytest.mark.parametrize(
    ("text", "clean"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_rule(text: str, clean: str) -> None:
    """What a reader sees is kept; markup, code blocks, raw links and banners are not."""
    assert clean_text(text) == clean


PARTS = [
    *["<", ">", "/", "=", " ", "\n", "&", ";", "#", "0", "9", "x", "A", "İ", "ß", "Σ", "\x00"],
    *["<a ", "<a href='u'>", "</a>", "<pre>", "</pre>", "<blockquote>", "</blockquote>"],
    *["http://", "Possible Duplicate:", "&lt;", "&#", "&#x", "\u2028", "\x85", "🙂"],
]
MARKUP = st.lists(st.sampled_from(PARTS)).map("".join)


@given(MARKUP | st.text())
@example("&#" + "1" * 4301)
@example("\ud800")
def test_any_text(text: str) -> None:
    """Any text gives one line of lower-case words with single spaces and no control characters."""
    clean = clean_text(text)
    assert clean == clean.lower()
    assert clean == " ".join(clean.split())
    assert not [char for char in clean if unicodedata.category(char) == "Cc"]
    assert not re.search("[\ufffe\uffff]", clean)


@given(st.text(st.characters(exclude_characters="<&")))
def test_plain_text_is_cleaned_once(text: str) -> None:
    """Cleaning a clean text changes nothing, as long as it holds no markup."""
    assert clean_text(clean_text(text)) == clean_text(text)


HOSTILE = [
    *["<", ">", "&", "&#", "&#x", "&#9", "&#0", "<a", "<a ", "<a x", "<a x=", "<a x-"],
    *["<pre>", "</pre>", "<a>", "</a>", "<a>http://", "<blockquote>", "<p><a>x</a>"],
    *["a", " ", "\x00", "İ", "a://", "&amp", "&lt;", "<b/", "< a"],
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", HOSTILE, ids=repr)
def test_linear_time(part: str) -> None:
    """A text of 300,000 characters is cleaned at once; a quadratic step would take minutes."""
    clean_text("<a " + part * (300_000 // len(part)))
