"""Indexes the words of stored documents, and searches them by a typed text.

:mod:`typeahead.index.lexical` knows forms of words and nothing of files of documents; here both meet.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from typeahead.core.tokens import check_text
from typeahead.index.documents import Documents
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.progress import OnProgress
from typeahead.search.terms import Term
from typeahead.text.analysis import analyse

#: Maximum number of words that are given for completions, the most frequent ones; this limits their memory.
MOST_WORDS = 500_000
#: Documents between two reports of progress.
_STEP = 1000


def index_words(documents: Path, count: int, tell: OnProgress) -> None:
    """Write the words of the ``count`` documents in an SQLite file into its folder.

    A killed call leaves remains, which the next one deletes. Raises :class:`~typeahead.errors.IndexCorrupt` for
    documents that cannot be read, and ``OSError``.
    """
    tell("words", 0, count)
    with closing(Documents(documents, count)) as source, LexicalWriter(documents.parent) as writer:
        for row, document in enumerate(source, 1):
            writer.add(document)
            if row % _STEP == 0:
                tell("words", row, count)
        writer.finish()
    tell("words", count, count)


def terms_of(text: str) -> list[Term]:
    """Make terms of a text: each form of its words, and every form that begins like the last one, if it is open."""
    found = analyse(text)
    terms = [Term({form: 1.0}) for word in found.words for form in word.forms]
    if found.open:
        terms[-1] = Term({}, found.words[-1].forms[-1])
    return terms


class Words:
    """The words of the ``count`` documents in the folder of a generation. May be used from several threads.

    Raises :class:`~typeahead.errors.IndexCorrupt` for files that cannot be read.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.lexical = Lexical.open(folder, count)

    def search(self, text: str, depth: int, scope: int = 0) -> list[tuple[int, float]]:
        """Find the ``depth`` documents with the highest scores: rows with scores, best first, ties by row.

        Nothing is cached for any ``scope``. Raises :class:`~typeahead.errors.TextError` for a lone surrogate, and
        :class:`~typeahead.errors.IndexCorrupt` if a file turns out to be damaged.
        """
        del scope
        check_text(text)
        rows, scores = self.lexical.candidates(terms_of(text), depth)
        return list(zip(rows.tolist(), scores.tolist(), strict=True))

    def counts(self) -> dict[str, int]:
        """Return the document frequencies of the :data:`MOST_WORDS` most frequent words."""
        return self.lexical.vocabulary.counts(MOST_WORDS)
