"""Indexes the words of stored documents.

:mod:`typeahead.index.lexical` knows words but nothing of files of documents; here both meet.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from typeahead.index.documents import Documents
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.progress import OnProgress

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
