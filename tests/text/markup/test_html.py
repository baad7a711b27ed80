"""HTML becomes the plain text of its main part."""

from __future__ import annotations

import pytest

from tests.text.markup.pages import outline
from typeahead.text.markup.html import read_html


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>a\n  b<p>c &lt;d&gt; &amp;nbsp;", "a b\n\nc <d> &nbsp;"),
        ("<ul><li>a<li><p>b</p><ul><li>c</ul></ul>d", "a\nb\n\nc\n\nd"),
        ("<table><tr><th>a<th>b<tr><td><p>c</p><p>d</p><td>e</table>", "a\tb\nc d\te"),
        ("<table><tr><td><ul><li>menu</ul><td><h2>H</h2><p>x<p>y</table>", "menu\n\nH\nx\n\ny"),
        ("<pre>  x\n    <b>y</b>\n</pre>", "  x\n    y"),
        ("a<br>b<hr>c", "a\nb\n\nc"),
        ("<img alt='a cat'> <a href=x><img alt=badge></a>", "a cat"),
        ("a<script>b</script><style>c</style><noscript>d</noscript><template>e</template><!-- f -->", "a"),
        ("<nav>a</nav><aside>b</aside><footer>c</footer><header>d</header>e<button>f</button>", "e"),
        ("<div hidden>a</div><div aria-hidden=true>b</div><p style='display: none'>c</p>d", "d"),
        ("<div role=tabpanel hidden>a</div>", "a"),
        ("<div class='x toc'>a</div><div role=navigation>b</div><div id=sidebar>c</div>d", "d"),
        ("so&shy;ft wo<wbr>rd", "soft word"),
        ("<p>x<p>This page last modified on 2020-06-18", "x"),
        ("", ""),
    ],
)
def test_markup_becomes_text(body: str, text: str) -> None:
    assert read_html(f"<body>{body}</body>").text == text


@pytest.mark.parametrize(
    "page",
    [
        "<p>round<main><p>a</main>",
        "<p>round<div role=main>a</div>",
        "<p>round<article><header>a</header></article>",
        "<header>round</header><main><nav>round</nav>a<footer>round</footer></main>",
    ],
)
def test_the_main_part_is_read(page: str) -> None:
    assert read_html(f"<body>{page}</body>").text == "a"


def test_several_articles_are_one_page() -> None:
    assert read_html("<body><article>a</article><article>b</article>").text == "a\n\nb"


@pytest.mark.parametrize(
    ("body", "anchor"),
    [
        ("<h2 id=a>H</h2>", "a"),
        ("<h2>H<a class=headerlink href='#a'>¶</a></h2>", "a"),
        ("<h2 id=user-content-a>H<a class='anchor' href='#a'></a></h2>", "a"),
        ("<section id=a><h2>H</h2></section>", "a"),
        ("<span id=old></span><div class=section id=a><h2>H</h2></div>", "a"),
        ("<a name=a></a><h2>H</h2>", "a"),
        ("<h2><a name=a>H</a></h2>", "a"),
        ("<section id=b><p>text</p><h2>H</h2></section>", ""),
    ],
)
def test_a_heading_has_the_anchor_that_leads_to_it(body: str, anchor: str) -> None:
    assert outline(read_html(f"<body><p>first</p>{body}<p>x</p>"))[-1] == (2, "H", anchor)


def test_a_defined_term_with_an_anchor_is_a_heading_until_its_list_ends() -> None:
    page = read_html(
        "<body><h1>T</h1><p>x</p><h2 id=s>S</h2><dl><dt id=a>a(x)<a class=headerlink href='#a'>¶</a></dt><dd>one</dd>"
        "<dt id=b>b</dt><dt id=c>c</dt><dd>two</dd></dl><p>after</p>"
    )
    assert page.text == "x\n\nS\na(x)\none\n\nb\nc\ntwo\n\nafter"
    assert [(one.title, one.anchor, page.text[one.start :].split()[0]) for one in page.headings] == [
        ("S", "s", "S"),
        ("a(x)", "a", "a(x)"),
        ("b", "b", "b"),
        ("S", "s", "after"),
    ]


@pytest.mark.parametrize(
    ("source", "title", "text"),
    [
        ("<title>A | Site</title><h1>T</h1>x", "T", "x"),
        ("<title>A</title><h1>1</h1>x<h1>2</h1>y", "A", "1\nx\n\n2\ny"),
        ("<title>A &amp; B</title><h2>H</h2>x", "A & B", "H\nx"),
        ("<h1>1</h1>x<h1>2</h1>", "1", "x\n\n2"),
        ("<div id=header><h1>T</h1><p>name</p></div>x", "T", "name\n\nx"),
        ("x", "", "x"),
    ],
)
def test_the_title_is_the_only_highest_heading_or_that_of_the_page(source: str, title: str, text: str) -> None:
    page = read_html(source)
    assert (page.title, page.text) == (title, text)


def test_a_page_that_leads_elsewhere_is_empty() -> None:
    page = read_html("<title>x</title><meta http-equiv=Refresh content='0; url=y.html'>moved")
    assert (page.title, page.text) == ("", "")


def test_the_canonical_url_is_kept() -> None:
    assert read_html("<link rel=canonical href='https://x.org/a'>").url == "https://x.org/a"
    assert read_html("<link rel=canonical href='../a'>").url == ""


@pytest.mark.parametrize("unit", ["<div>", "<b><i>", "<table><td>", "<dl><dt id=x>", "</p>", "<", "&", "<pre>", "<h1>"])
def test_any_nesting_is_read(unit: str) -> None:
    assert "word" in read_html("<p>word</p>" + unit * 5000 + "x").text
