"""Cuts a page of documentation into sections: a title, the text up to the next heading, and the links in it.

The reader knows the page furniture of DocBook (PostgreSQL), Sphinx (Django), AsciiDoc (Git) and SQLite's own pages:
navigation, tables of contents and scripts are left out. It reads a page in one pass, so a heading at any depth opens a
section. So does a defined term (``<dt>``) with an anchor, up to the end of its list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import html

_SKIPPED_TAGS = frozenset("script style nav form button select img svg noscript".split())
_SKIPPED_CLASSES = frozenset(
    "nosearch navheader navfooter toc nav headerlink viewcode-link sphinxsidebar contents list-of-tables "
    "list-of-figures list-of-examples indexterm fancy_toc id_link".split()
)
_SKIPPED_IDS = frozenset(["hd", "ft", "sidebar", "footer", "toc"])
#: SQLite's pages of pragmas mark headings up as ``<h>``.
_HEADINGS = frozenset(["h", *(f"h{level}" for level in range(1, 7))])
_BLOCKS = _HEADINGS | frozenset("body div p li ul ol dl dt dd pre table tr td th blockquote section".split())
#: Reference pages repeat these headings. Their text says what the page is about, so it belongs to the page.
_PART_OF_THE_PAGE = frozenset(["name", "synopsis", "description"])
#: Titles of boxes inside a section.
_ASIDES = frozenset(["note", "tip", "warning", "caution", "important"])
#: Code points of a title: a defined term can be a whole grammar.
_LONGEST_TITLE = 100

_SPACES = re.compile(r"\s+")
_SITE = re.compile(r"\s+(?:[—|]\s+Django\b.*|Manual Page)$")
_MANUAL = re.compile(r"\(\d\w*\)$")
_NUMBER = re.compile(
    r"^(?:(?:(?:Chapter|Appendix|Part)\s+[\dA-Z]+|(?:[A-Z]|\d+)(?:\.\d+)*)\.\s+|\d+(?:\.\d+)+\s+(?=[A-Z])|\(\d+\)\s+)"
)
_TYPE = re.compile(r"\s+\((?:integer|boolean|enum|string|floating point)\)$")
_CALL = re.compile(r"\(.*\)\s*(?:->.*|→.*)?$")


def clean_title(text: str) -> str:
    """Strip a title of numbers ("15.2.3."), permalinks ("¶"), and the name of the site or manual."""
    text = _SPACES.sub(" ", text.replace("¶", "")).strip()
    text = _MANUAL.sub("", _SITE.sub("", text)).strip()
    text = _TYPE.sub("", _NUMBER.sub("", text)).strip()
    return text if len(text) <= _LONGEST_TITLE else text[: _LONGEST_TITLE + 1].rpartition(" ")[0]


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a block of a section's text; ``start`` and ``end`` are code points of the block."""

    block: int
    start: int
    end: int
    href: str


@dataclass(slots=True)
class Section:
    """A part of a page."""

    title: str
    #: Every id that leads into the section, its own first, and the block that it leads to.
    anchors: dict[str, int] = field(default_factory=dict)
    #: One for each paragraph, list item or table cell, without line breaks.
    blocks: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The blocks, one a line."""
        return "\n".join(self.blocks)

    def anchor_texts(self) -> Iterator[tuple[Link, str]]:
        """Each link with the text that one clicks on."""
        for link in self.links:
            yield link, self.blocks[link.block][link.start : link.end].strip()


def read_sections(source: bytes) -> list[Section]:
    """Cut a page into its sections, in order. The first has the title of the page and the empty anchor.

    Sections without text are kept: links may lead there. A page without a body has none.
    """
    root = html.fromstring(source, parser=html.HTMLParser(encoding="utf-8", remove_comments=True))
    body = root.find("body") if root.tag == "html" else root
    if body is None:
        return []
    title = clean_title(root.findtext("head/title") or "")
    if not title:
        headings = (clean_title(_text(one)) for one in body.iter("h1", "h2"))
        title = next(filter(None, headings), "")
    reader = _Reader(title)
    reader.read(body)
    return reader.finish()


class _Reader:
    """Walks through a page once and keeps the open section, the open block and the anchors seen since the last text."""

    def __init__(self, title: str) -> None:
        self._open = Section(title, {"": 0})
        self._sections = [self._open]
        self._block = ""
        self._links: list[tuple[int, int, str]] = []
        #: Anchors without text behind them yet, and where in the block they stand. A heading may follow.
        self._pending: list[tuple[str, int]] = []
        self._defined: Section | None = None
        #: The sections that hold the open lists of terms, the outermost first.
        self._outer: list[Section] = []

    def finish(self) -> list[Section]:
        self._close_block()
        self._take_anchors()
        return self._sections

    def read(self, element: Any) -> None:
        """Read an element and what it holds, but not the text behind it."""
        tag = element.tag
        if not isinstance(tag, str) or _is_furniture(element):
            return
        if tag == "br":
            self._add(" ")
            return
        if tag in _BLOCKS:
            self._close_block()
        if tag in _HEADINGS:
            self._heading(element)
            return
        if tag == "dt" and self._term(element):
            return
        if tag == "p" and self._pending and _is_bold(element):
            self._heading(element)
            return
        if tag != "body":
            self._pending += [(name, len(self._block)) for name in _own_anchors(element)]
        start = len(self._block)
        if tag == "dl":
            self._outer.append(self._open)
        self._add(element.text)
        for child in element:
            self.read(child)
            self._add(child.tail)
        if tag == "a" and (href := element.get("href")) and start < len(self._block):
            self._links.append((start, len(self._block), href))
        if tag in _BLOCKS:
            self._close_block()
        if tag == "dl":
            self._leave(self._outer.pop())

    def _heading(self, element: Any) -> None:
        """Open a section under a heading, unless its text belongs to the page."""
        self._pending += [(name, 0) for name in _anchors(element)]
        title, page = clean_title(_text(element)), self._sections[0]
        if not title or title.lower() in _ASIDES:
            return
        # A page that begins with a heading: links to the page and to the heading mean the same.
        begins = title.lower() == page.title.lower() or title.lower() in _PART_OF_THE_PAGE or not page.blocks
        if begins and len(self._sections) == 1:
            return
        self._start(title)

    def _term(self, element: Any) -> bool:
        """Open a section for a defined term that links can lead to. Say whether the term has been read.

        Further terms of the same definition are further anchors of the section.
        """
        before = element.getprevious()
        follows = before is not None and before.tag == "dt" and self._open is self._defined
        anchors = list(_anchors(element))
        if not (follows or anchors or self._pending):
            # A term without an anchor is a part of the text around its list.
            if self._outer and self._open is self._defined:
                self._leave(self._outer[-1])
            return False
        signature = _SPACES.sub(" ", _text(element).replace("¶", "")).strip()
        self._pending += [(name, 0) for name in anchors]
        if not follows:
            self._start(_term_title(element, clean_title(signature), anchors))
            self._defined = self._open
        self._add(signature)
        self._close_block()
        return True

    def _leave(self, section: Section) -> None:
        """Go on with a section that was open before."""
        if self._open is not section:
            self._take_anchors()
            self._open = section

    def _start(self, title: str) -> None:
        self._open = Section(title)
        self._take_anchors()
        self._sections.append(self._open)

    def _add(self, text: str | None) -> None:
        if not text:
            return
        text = _SPACES.sub(" ", text)
        if not self._block or self._block.endswith(" "):
            text = text.lstrip()
        self._block += text

    def _close_block(self) -> None:
        block = self._block.rstrip()
        if block:
            self._take_anchors(len(block))
            row = len(self._open.blocks)
            self._open.blocks.append(block)
            self._open.links += [Link(row, start, min(end, len(block)), href) for start, end, href in self._links]
        self._block, self._links = "", []
        self._pending = [(name, 0) for name, _ in self._pending]

    def _take_anchors(self, end: float = math.inf) -> None:
        """Give the open section the anchors that stand before ``end`` in the block."""
        for name, place in self._pending:
            if place < end:
                self._open.anchors.setdefault(name, len(self._open.blocks))
        self._pending = [(name, place) for name, place in self._pending if place >= end]


def _is_furniture(element: Any) -> bool:
    if element.tag in _SKIPPED_TAGS or element.get("id") in _SKIPPED_IDS:
        return True
    return not _SKIPPED_CLASSES.isdisjoint((element.get("class") or "").split())


def _is_bold(element: Any) -> bool:
    """Whether a paragraph is a heading in all but name: bold throughout."""
    return len(element) == 1 and element[0].tag == "b" and _text(element).strip() == _text(element[0]).strip() != ""


def _own_anchors(element: Any) -> list[str]:
    names = [element.get("id"), element.get("name") if element.tag == "a" else None]
    return [name for name in names if name]


def _anchors(element: Any) -> Iterator[str]:
    for one in element.iter():
        if isinstance(one.tag, str):
            yield from _own_anchors(one)


def _text(element: Any) -> str:
    """All text in an element but that of permalinks and links to sources."""
    parts = [element.text or ""]
    for child in element:
        if child.tag == "br":
            parts.append(" ")
        elif isinstance(child.tag, str) and not _is_furniture(child):
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _term_title(element: Any, signature: str, anchors: list[str]) -> str:
    """The name that a definition gives: ``QuerySet.filter`` for a Python object, else the term without arguments."""
    if not anchors or "sig" not in (element.get("class") or "").split():
        return signature
    if "py" not in element.get("class").split():
        names = [_text(one) for one in element.iter() if "descname" in (one.get("class") or "").split()]
        return names[0] if names else _CALL.sub("", signature)
    parts = anchors[0].split(".")
    owner = next((row for row, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return ".".join(parts[owner:])
