"""Words of documents, written and opened, and the slow way to find and count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from typeahead.index.lexical.lexical import Lexical
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.search.terms import Term
from typeahead.text.analysis import forms
from typeahead.text.document import Document


def write(folder: Path, documents: Sequence[Document], block: int = 1 << 15) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with LexicalWriter(folder, block=block) as writer:
        for document in documents:
            writer.add(document)
        writer.finish()
    return folder


def opened(folder: Path, documents: Sequence[Document], block: int = 1 << 15) -> Lexical:
    return Lexical.open(write(folder, documents, block), len(documents))


def counted(document: Document) -> list[Counter[str]]:
    """How often each form occurs in the title and in the text."""
    return [Counter(form for word in forms(text) for form in word) for text in (document.title, document.text)]


def matching(term: Term, form: str) -> float:
    """The weight of a form for a term, -1 for one that does not match."""
    weight = term.words.get(form, -1.0)
    begins = bool(term.beginning) and form.startswith(term.beginning)
    return max(weight, term.beginning_weight) if begins else weight


def holds(document: Document, term: Term) -> bool:
    return any(matching(term, form) >= 0 for field in counted(document) for form in field)


def sequence(text: str) -> list[str]:
    """The forms of a text that a phrase is compared with."""
    return [form for word in forms(text) for form in (word[1:] or word)]
