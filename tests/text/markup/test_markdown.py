"""Markdown becomes plain text with headings, as a reader of the page sees it."""

from __future__ import annotations

import pytest

from tests.text.growing import steps
from tests.text.markup.pages import outline
from typeahead.text.markup.jsx import without_jsx
from typeahead.text.markup.markdown import Slugs, read_markdown


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a [link](http://x.org 'y') <http://y.org>", "a link http://y.org"),
        ("![a cat](cat.png) *b* **c** ~~d~~ `e  f` &amp; &copy;", "a cat b c d e f & ©"),
        ("a\nb  \nc", "a b\nc"),
        ("- a\n- b\n  - c\n\nd", "a\nb\nc\n\nd"),
        ("1. a\n\n   b\n2. c", "a\n\nb\n\nc"),
        ("> quoted", "quoted"),
        ("| a | b |\n|---|---|\n| `c` | d |\n| e | f |", "a\tb\nc\td\ne\tf"),
        ("```py\nif x:\n    y\n\n```", "if x:\n    y"),
        ("    code\n      more", "code\n  more"),
        ("a <b>c</b> <br> d <!-- e -->", "a c\nd"),
        ("<details>\n<summary>S</summary>\n\ntext\n\n</details>", "S\n\ntext"),
        ("<script>\nx()\n</script>\n\na\n\n<!--\nb\n-->", "a"),
        ("[a]\n\n[a]: http://x.org", "a"),
        ("[![build](x.svg)](y) [![docs](z.svg)](w)\n\ntext", "text"),
        ("> [!NOTE]\n> text", "text"),
        ('!!! note "Mind"\n    text', "Mind\ntext"),
        ("!!! note\n    text", "text"),
        (":::tip Mind\n\ntext\n\n:::", "Mind\n\ntext"),
        ("{{< figure >}} a {% include x %}", "a"),
        ("[[Page|name]] [[Other]] ![[x.png]]", "name Other"),
        ("a\u00adb c\u200bd", "ab cd"),
        ("", ""),
    ],
)
def test_markup_becomes_text(source: str, text: str) -> None:
    assert read_markdown(source).text == text


def test_headings_have_the_anchors_of_github() -> None:
    page = read_markdown("# T\n\n## `a.b()` & C!\n\n## Ünï 日本\n\nSetext\n---\n\n## Setext\n\n#### Own {#my-id}\n")
    assert outline(page) == [
        (2, "a.b() & C!", "ab--c"),
        (2, "Ünï 日本", "ünï-日本"),
        (2, "Setext", "setext"),
        (2, "Setext", "setext-1"),
        (4, "Own", "my-id"),
    ]


def test_a_repeated_anchor_is_numbered_and_never_taken_twice() -> None:
    slugs = Slugs()
    assert [slugs.take(title) for title in ("a", "a", "a-1", "A", "a 1")] == ["a", "a-1", "a-1-1", "a-2", "a-1-2"]


@pytest.mark.parametrize(
    ("source", "title", "text"),
    [
        ("# T #\nx", "T", "x"),
        ("T\n===\n\nx", "T", "x"),
        ("x\n\n# T\n\ny", "T", "x\n\nT\ny"),
        ("## T\nx", "T", "x"),
        ("x\n\n## U\n", "", "x\n\nU"),
        ("---\ntitle: F\n---\n# T\nx", "F", "T\nx"),
        ("---\ntitle: T\n---\n# T\nx", "T", "x"),
        ("<h1 align='center'>T <img alt='logo' src='x'></h1>\n\nx", "T logo", "x"),
        ("```\n# no heading\n```", "", "# no heading"),
    ],
)
def test_the_title_is_that_of_the_front_matter_or_the_first_heading(source: str, title: str, text: str) -> None:
    page = read_markdown(source)
    assert (page.title, page.text) == (title, text)


def test_front_matter_gives_fields_url_and_draft() -> None:
    page = read_markdown("---\nslug: /x\ndraft: true\ntags: [a]\n---\ntext")
    assert (page.url, page.draft, page.fields) == ("/x", True, {"tags": ["a"]})


def test_mdx_keeps_the_text_in_components_and_code_as_it_is() -> None:
    page = read_markdown(
        """---
title: T
---
import Tabs from '@theme/Tabs';
export const x = {
  a: 1,
};

{/* a comment */}
Before {x.a} after.

<Tabs items={["a > b", `c`]} onClick={() => { return "}"; }}>
    <TabItem label="npm install" value='x'>
    Inside **bold**.

    ```jsx
    import React from 'react';
    <App prop={1} />
    ```
    </TabItem>
</Tabs>

Use `<Foo />` and 1 < 2, a \\{b\\}.
""",
        mdx=True,
    )
    assert page.text == (
        "Before after.\n\nnpm install\n\nInside bold.\n\nimport React from 'react';\n<App prop={1} />\n\n"
        "Use <Foo /> and 1 < 2, a {b}."
    )


@pytest.mark.parametrize("unit", ["{", "<a {", "`", "`a``", "<A ", "{'", "a < b ", "~~~\n"])
def test_broken_mdx_takes_time_linear_in_the_text(unit: str) -> None:
    assert steps(lambda: without_jsx(unit * 12_000)) < 3 * steps(lambda: without_jsx(unit * 6_000))


@pytest.mark.parametrize(
    "text", ["1 < 2 and a <b", "a } b", "\\{a\\}", "`{a}` ``<b>``", "```\n{a}\n```", "important: x"]
)
def test_text_that_is_no_jsx_stays(text: str) -> None:
    assert without_jsx(text) == text
