"""Reads HTML: the main part of a page as plain text, without what stands round it on every page.

selectolax (the parser Lexbor) reads any HTML as a browser does. The library trafilatura finds main parts by itself, but
keeps neither the ids of headings nor tables and code as they are, and needs lxml and six more packages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from typeahead.text.document import Heading
from typeahead.text.markup.flow import Flow, Page
from typeahead.text.markup.furniture import is_furniture
from typeahead.text.markup.libraries import library

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6, "h": 4}
_BLOCKS = frozenset(
    "address article aside blockquote body center details dialog div dl fieldset figcaption figure footer form "
    "header hr main ol p section summary table ul".split()
)
_LINES = frozenset("dd dt li tr thead tbody tfoot caption option legend".split())
#: The last line of many pages.
_MODIFIED = re.compile(r"\n+(?:This page was |This page )?[Ll]ast (?:modified|updated|changed)\b[^\n]{0,60}\Z")
#: Where a table's cell holds one of these, the table is there for the layout.
_LAYOUT = "h1,h2,h3,h4,h5,h6,table,ul,ol,dl,pre,blockquote"
#: Level of a defined term that links can lead to, below all headings.
_TERM = 7
#: Code points of a defined term as a heading: a term can be a whole grammar.
_LONGEST_TERM = 120


def read_html(source: str) -> Page:
    """Read a page. A page that only sends browsers elsewhere has neither title nor text."""
    tree = library("selectolax.lexbor", "selectolax").LexborHTMLParser(source)
    if tree.css_first("meta[http-equiv=refresh i]") is not None:
        return Page()
    flow = Flow()
    root, headers = _main(tree)
    if root is not None:
        _Reader(flow, headers=headers).read(root)
    title = tree.css_first("title")
    page = flow.page(fallback=title.text(deep=True) if title is not None else "")
    text = _MODIFIED.sub("", page.text)
    canonical = tree.css_first("link[rel=canonical i]")
    url = (canonical.attributes.get("href") or "").strip() if canonical is not None else ""
    return Page(page.title, text, page.headings, url=url if url.startswith("http") else "")


def write_html(flow: Flow, source: str) -> None:
    """Add a piece of HTML, such as a block within Markdown."""
    root = library("selectolax.lexbor", "selectolax").LexborHTMLParser(source).body
    if root is not None:
        _Reader(flow, headers=False).read(root)


def page_title(source: str) -> str:
    """The content of the ``title`` element in the beginning of a page."""
    title = library("selectolax.lexbor", "selectolax").LexborHTMLParser(source).css_first("title")
    return " ".join(title.text(deep=True).split()) if title is not None else ""


def _main(tree: Any) -> tuple[Any, bool]:
    """The element with the main part, and whether headers in it are those of the site."""
    for choice in ("main, [role=main]", "article"):
        found = tree.css(choice)
        if choice == "article" and len(found) > 1:
            # A list of articles.
            break
        if found:
            return max(found, key=lambda one: len(one.text(deep=True))), False
    # AsciiDoc and pandoc put the title of the page into a header.
    titles = tree.css("h1")
    return tree.body, not titles or len(titles) > len(tree.css("header h1, #header h1"))


class _Reader:
    """Walks through a part of a page once."""

    def __init__(self, flow: Flow, *, headers: bool) -> None:
        self._flow = flow
        self._headers = headers
        #: The last id that no text has followed yet.
        self._pending = ""
        #: For each open list of terms, the heading that it stands under, and whether a term was made a heading.
        self._lists: list[tuple[Heading | None, bool]] = []
        self._cells: list[bool] = []

    def read(self, root: Any) -> None:
        # No recursion: pages may be nested ten thousand deep.
        stack = [(root, False)]
        while stack:
            node, is_read = stack.pop()
            if is_read:
                self._leave(node)
                continue
            if node is not root and not self._enter(node):
                continue
            stack.append((node, True))
            stack += [(child, False) for child in reversed(list(_children(node)))]

    def _enter(self, node: Any) -> bool:
        """Read the beginning of an element. Say whether its content is to be read, too."""
        tag = node.tag
        if tag == "-text":
            text = node.text_content or ""
            if self._pending and not text.isspace():
                self._pending = ""
            self._flow.write(text)
            return False
        if tag.startswith("-"):
            return False
        attributes = node.attributes
        if is_furniture(tag, attributes, node, headers=self._headers):
            return False
        self._pending = _anchor(tag, attributes) or self._pending
        if tag in _HEADINGS:
            self._heading(node, _HEADINGS[tag])
            return False
        if tag == "dt" and self._pending and self._lists:
            self._term(node)
            return False
        if tag == "pre":
            self._pending = ""
            self._flow.verbatim("".join(_texts(node, line="\n")))
            return False
        if tag == "br":
            self._flow.end_block("\n")
        elif tag == "img":
            # A picture that is a link by itself is mostly a badge.
            if node.parent.tag != "a" or node.parent.text(deep=True).strip():
                self._flow.write(attributes.get("alt") or "")
        elif tag == "dl":
            self._lists.append((self._flow.headings[-1] if self._flow.headings else None, False))
        if tag in ("td", "th"):
            self._cells.append(node.css_first(_LAYOUT) is None)
            if self._cells[-1]:
                self._flow.begin_cell()
            else:
                self._flow.end_block()
        else:
            self._end_block(node)
        return True

    def _leave(self, node: Any) -> None:
        tag = node.tag
        if tag in ("td", "th") and self._cells:
            if self._cells.pop():
                self._flow.end_cell()
            else:
                self._flow.end_block()
        else:
            self._end_block(node)
        if tag == "dl" and self._lists:
            outer, has_terms = self._lists.pop()
            if has_terms and outer is not None:
                self._flow.resume(outer)

    def _end_block(self, node: Any) -> None:
        tag = node.tag
        # Sphinx makes a paragraph of every item of a list.
        if tag in _LINES or (tag == "p" and node.parent is not None and node.parent.tag in ("li", "dd")):
            self._flow.end_block("\n")
        elif tag in _BLOCKS:
            self._flow.end_block()

    def _heading(self, node: Any, level: int) -> None:
        inside = [_anchor(one.tag, one.attributes) for one in (node, *node.css("[id], a[name]"))]
        anchor = next(filter(None, [_permalink(node), *inside, self._pending]), "")
        self._flow.heading(level, "".join(_texts(node)), anchor)
        self._pending = ""

    def _term(self, node: Any) -> None:
        """Make a heading of a defined term. Further terms of the same definition are text."""
        before = node.prev
        while before is not None and before.tag == "-text":
            before = before.prev
        title = " ".join("".join(_texts(node)).split())
        if before is not None and before.tag == "dt":
            self._flow.write(title)
            self._flow.end_block("\n")
            return
        if len(title) > _LONGEST_TERM:
            self._flow.heading(_TERM + len(self._lists), title[:_LONGEST_TERM].rpartition(" ")[0], self._pending)
            self._flow.write(title)
            self._flow.end_block("\n")
        else:
            self._flow.heading(_TERM + len(self._lists), title, _permalink(node) or self._pending)
        self._lists[-1] = (self._lists[-1][0], True)
        self._pending = ""


def _children(node: Any) -> Iterator[Any]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _anchor(tag: str, attributes: dict[str, str | None]) -> str:
    return attributes.get("id") or (attributes.get("name") if tag == "a" else "") or ""


def _permalink(node: Any) -> str:
    """Where the link of a heading to itself leads, which is what a reader would copy."""
    for link in node.css("a[href^='#']"):
        if is_furniture("a", link.attributes, link, headers=False) and (target := link.attributes["href"][1:]):
            return unquote(target)
    return ""


def _texts(root: Any, line: str = " ") -> Iterator[str]:
    """The texts in an element, as they are. ``line`` stands for a line break by markup."""
    stack = [root]
    while stack:
        node = stack.pop()
        tag = node.tag
        if tag == "-text":
            yield node.text_content or ""
        elif tag == "br":
            yield line
        elif tag == "img":
            yield node.attributes.get("alt") or ""
        elif not tag.startswith("-") and (node is root or not is_furniture(tag, node.attributes, node, headers=False)):
            stack += reversed(list(_children(node)))
