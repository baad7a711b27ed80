"""Reads Markdown (CommonMark with tables) and MDX.

The parser is markdown-it-py. HTML in between is read as HTML, so a title in ``<h1>`` and the text in ``<details>``
count. What generators of sites add to Markdown (admonitions, attributes, shortcodes) is taken out where it is no text.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from typeahead.text.markup.flow import Flow, Page
from typeahead.text.markup.front import split_front
from typeahead.text.markup.html import write_html
from typeahead.text.markup.jsx import without_jsx
from typeahead.text.markup.libraries import library

#: Python-Markdown, Docusaurus and kramdown: ``## Title {#name}``, ``{: #name .class}``.
_ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]*(?:#(?P<id>[^\s}]+)|[.\w-])[^{}]*\}[ \t]*$")
#: At the beginning of a line: admonitions, tabs, and alerts of GitHub. A title that they have is text.
_OPENING = re.compile(
    r"(?::{3,}[ \t]*[\w-]*|(?:!{3}|\?{3})\+?[ \t]+[\w-]+(?: (?=\"))?|={3}[!+]?[ \t]+(?=\")|"
    r"\[!\w+\][+-]?|\{:[^{}]*\})[ \t]*"
)
#: Shortcodes of Hugo, tags of Liquid, wiki links.
_SHORTCODE = re.compile(r"\{\{[<%].*?[%>]\}\}|\{%.*?%\}|!\[\[[^\]]*\]\]")
_WIKI_LINK = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]+)\]\]")
#: What one line break ends.
_LINES = frozenset(["tr", "thead", "tbody", "list_item"])
_LISTS = frozenset(["bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close"])
_LINE_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_ALT = re.compile(r"<img\b[^>]*?\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)


def read_markdown(source: str, *, mdx: bool = False) -> Page:
    """Read a page whose line breaks are LF. Raises ``ValueError`` for front matter that cannot be read."""
    front, body = split_front(source)
    flow = Flow()
    _Reader(flow).read(_parser(mdx).parse(without_jsx(body) if mdx else body))
    page = flow.page(front.title)
    return Page(page.title, page.text, page.headings, front.fields, front.draft, front.url)


@functools.cache
def _parser(mdx: bool) -> Any:
    parser = library("markdown_it", "markdown-it-py").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    # Children of components are indented.
    return parser.disable("code") if mdx else parser


class Slugs:
    """Makes the anchors of headings as GitHub does."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def take(self, title: str) -> str:
        """Return the anchor of a heading. A second heading of one name gets ``-1``, a third ``-2``."""
        kept = (one for one in title.lower() if one in " -_" or one.isalnum() or unicodedata.category(one)[0] == "M")
        plain = "".join(kept).replace(" ", "-")
        slug = plain
        while slug in self._counts:
            self._counts[plain] += 1
            slug = f"{plain}-{self._counts[plain]}"
        self._counts[slug] = 0
        return slug


class _Reader:
    """Goes through the tokens of a page once."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._slugs = Slugs()
        self._is_item = False

    def read(self, tokens: Sequence[Any]) -> None:
        level = 0
        for token in tokens:
            kind = token.type
            if kind == "heading_open":
                level = int(token.tag[1:])
            elif kind == "inline" and level:
                self._heading(level, token.children)
                level = 0
            elif kind == "inline":
                self._inline(token.children)
            elif kind in ("fence", "code_block"):
                self._flow.verbatim(token.content)
            elif kind == "html_block":
                self._html(token.content)
            elif kind in ("th_open", "td_open"):
                self._flow.begin_cell()
            elif kind in ("th_close", "td_close"):
                self._flow.end_cell()
            elif kind[:-5] in _LINES or kind[:-6] in _LINES:
                self._flow.end_block("\n")
            elif token.block and kind != "heading_close":
                # The paragraphs of an item without empty lines are marked as hidden.
                self._flow.end_block(
                    "\n" if token.hidden or self._is_item or (token.level and kind in _LISTS) else "\n\n"
                )
            self._is_item = kind == "list_item_open"

    def _heading(self, level: int, children: Sequence[Any]) -> None:
        title = "".join(_plain(children))
        own = ""
        if match := _ATTRIBUTES.search(title):
            title, own = title[: match.start()], match["id"] or ""
        title = _SHORTCODE.sub("", title)
        self._flow.heading(level, title, own or self._slugs.take(title.strip()))

    def _html(self, source: str) -> None:
        before = len(self._flow.headings)
        write_html(self._flow, source)
        for row in range(before, len(self._flow.headings)):
            heading = self._flow.headings[row]
            if not heading.anchor:
                self._flow.rename(row, self._slugs.take(heading.title))

    def _inline(self, children: Sequence[Any]) -> None:
        if _are_badges(children):
            return
        begins = True
        for child in children:
            kind = child.type
            if kind == "text":
                text = child.content
                if begins and (match := _OPENING.match(text)):
                    text = text[match.end() :]
                    if match[0].startswith(("!", "?", "=")):
                        text = text.strip().strip('"')
                    self._flow.write(text)
                    self._flow.end_block("\n")
                    text = ""
                self._flow.write(_WIKI_LINK.sub(r"\1", _SHORTCODE.sub("", text)))
            elif kind == "html_inline":
                if _LINE_BREAK.match(child.content):
                    self._flow.end_block("\n")
                self._flow.write(_alt(child.content))
            elif kind == "hardbreak":
                self._flow.end_block("\n")
            else:
                self._flow.write("".join(_plain([child])))
            begins = kind in ("softbreak", "hardbreak")


def _are_badges(children: Sequence[Any]) -> bool:
    """Whether a paragraph is nothing but pictures that are links."""
    kinds = {child.type for child in children if child.content.strip() or child.type != "text"}
    return "image" in kinds and "link_open" in kinds and kinds <= {"image", "link_open", "link_close", "softbreak"}


def _plain(children: Sequence[Any]) -> list[str]:
    """The texts of inline tokens."""
    texts = []
    for child in children:
        if child.type == "image":
            texts += _plain(child.children or ())
        elif child.type in ("softbreak", "hardbreak"):
            texts.append(" ")
        elif child.type == "html_inline":
            texts.append(_alt(child.content))
        else:
            texts.append(child.content)
    return texts


def _alt(tag: str) -> str:
    match = _ALT.match(tag)
    return (match[1] or match[2] or "") if match else ""
