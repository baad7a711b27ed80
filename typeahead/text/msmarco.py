"""Passages and queries in MS MARCO's files: an id, a tab and a text, without quotes."""

from __future__ import annotations

from typeahead.text.document import Document
from typeahead.text.records import clean, identifier


def parse_msmarco(line: str, *, titles: bool = False) -> Document:
    """Read ``id<TAB>text``, or with ``titles`` also ``id<TAB>title<TAB>text``; ``ValueError`` says what is wrong.

    Title and text are given without white space around them; both may be empty.
    """
    fields = line.split("\t")
    if len(fields) != 2 and not (titles and len(fields) == 3):
        expected = "2 or 3: id, text or id, title, text" if titles else "2: id, text"
        raise ValueError(f"{len(fields)} columns, not {expected}")
    title = clean(fields[1], "title").strip() if len(fields) == 3 else ""
    return Document(identifier(fields[0], "id", one_word=True), title, clean(fields[-1], "text").strip())
