"""HTML, Mallard and DocBook as titles, headings and paragraphs, without navigation, code and credits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

#: Elements that begin a new piece of text, and the kind of that piece.
_KINDS = {
    **dict.fromkeys(("title",), "title"),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "heading"),
    **dict.fromkeys(
        ("p", "para", "simpara", "li", "item", "listitem", "td", "th", "dt", "dd", "div", "desc", "section", "body"),
        "text",
    ),
}
#: Elements left out with all that is in them.
_SKIPPED = frozenset(
    "script style nav header footer aside pre noscript head-links credit mal:credit screen programlisting synopsis "
    "code-block authorgroup legalnotice revhistory table-of-contents button svg math".split()
)
#: Elements with one of these classes are left out too.
_SKIPPED_CLASSES = frozenset(
    "navheader navfooter relatedtopics howtoget toc author authorgroup copyright legalnotice revhistory othercredit "
    "programlisting screen synopsis literallayout docnav debug titlepage-meta".split()
)
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of text of a page. ``kind`` is "title", "heading" or "text"."""

    kind: str
    text: str


class _Reader(HTMLParser):
    """Collects the blocks of one page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._kind, self._parts = "text", [""]
        #: The element whose content is skipped, and how deep elements of this name are nested in it.
        self._skipped, self._depth = "", 0

    def flush(self, kind: str = "text") -> None:
        """End a piece of text; the next one is of this kind."""
        if text := " ".join("".join(self._parts).split()):
            self.blocks.append(Block(self._kind, text))
        self._kind, self._parts = kind, []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a new block, or begin to skip."""
        if self._skipped:
            self._depth += tag == self._skipped
        elif tag in _KINDS:
            self.flush(_KINDS[tag])
            self._skip_by_class(tag, attrs)
        elif tag in _SKIPPED:
            self._skipped, self._depth = tag, 1
        elif tag == "br":
            self._parts.append(" ")
        elif tag not in _VOID:
            self._skip_by_class(tag, attrs)

    def _skip_by_class(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = (dict(attrs).get("class") or "").split()
        if not _SKIPPED_CLASSES.isdisjoint(names):
            self._skipped, self._depth = tag, 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Treat ``<element/>`` as empty; a closing tag for it will never come."""
        del attrs
        if not self._skipped and tag == "br":
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """End a block, or stop skipping."""
        if self._skipped:
            if tag == self._skipped:
                self._depth -= 1
                if not self._depth:
                    self._skipped = ""
        elif tag in _KINDS:
            self.flush()

    def handle_data(self, data: str) -> None:
        """Add to the current block."""
        if not self._skipped:
            self._parts.append(data)


def read_blocks(source: str) -> list[Block]:
    """The titles, headings and paragraphs of an HTML or XML page, in order."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    reader.flush()
    return reader.blocks


#: "4.4. ", "Chapter 3. ", "第 3 章 " before a heading.
_NUMBER = re.compile(r"^(?:\d+(?:\.\d+)*\.?|第\s*\d+\s*章)\s+|^\w+\s\d+\.\s+")


def plain_heading(text: str) -> str:
    """A heading without its number."""
    return _NUMBER.sub("", text).strip()


def entities(source: str, values: Mapping[str, str]) -> str:
    """Replace entities that a document defines itself, such as ``&kde;``."""
    return re.sub(r"&([\w.-]+);", lambda found: values.get(found[1], found[0]), source)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a paragraph. A full stop ends one only before a capital letter or a letter without case."""
    start = 0
    for found in _END.finditer(text):
        if part := text[start : found.end()].strip():
            yield part
        start = found.end()
    if part := text[start:].strip():
        yield part


_END = re.compile(r"(?<=[^\W\d]{3}[.!?؟…])\s+(?=[^\W\d_a-zа-яàâäçéèêëîïôöùûüąćęłńóśźżñáíúß])|(?<=[。!?！？])")
