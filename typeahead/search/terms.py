"""The words of texts and of queries, as term statistics count them: one rule for all back ends.

A word is a run of letters and digits, in lower case and without diacritics, as SQLite's ``unicode61`` has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from typeahead.core.folding import fold
from typeahead.search.port import Key, Passage
from typeahead.text.document import Document

_WORD = re.compile(r"[^\W_]+")
#: What stands behind a term that is the beginning of a word.
PREFIX = "*"


def words(text: str) -> list[str]:
    """The words of a text, folded, in order."""
    return _WORD.findall(fold(text))


def query_terms(text: str) -> list[str]:
    """The different terms of a query, in order.

    The last word is a beginning, ``"boi*"``, if nothing follows it: more letters may come.
    """
    found = words(text)
    if found and text[-1].isalnum():
        found[-1] += PREFIX
    return list(dict.fromkeys(found))


def count_terms(found: Sequence[str], terms: Sequence[str]) -> dict[str, int]:
    """How often each of ``terms`` occurs among the words ``found``; terms that do not occur are left out."""
    counts: dict[str, int] = {}
    for term in terms:
        if term.endswith(PREFIX):
            count = sum(word.startswith(term[: -len(PREFIX)]) for word in found)
        else:
            count = found.count(term)
        if count:
            counts[term] = count
    return counts


def weigh(document: Document, terms: Sequence[str], similarity: float | None) -> Passage:
    """The evidence of a document that is one passage."""
    fields = {"title": words(document.title), "text": words(document.text)}
    return Passage(
        similarity,
        {name: count_terms(found, terms) for name, found in fields.items()},
        {name: len(found) for name, found in fields.items()},
    )


def document_frequencies(documents: Mapping[Key, Passage], terms: Sequence[str]) -> dict[str, int]:
    """How many of ``documents`` hold each of ``terms``."""
    return {
        term: sum(any(term in counts for counts in passage.frequencies.values()) for passage in documents.values())
        for term in terms
    }
