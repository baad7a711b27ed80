"""Indexes the words and the fields of stored documents, in one go.

:mod:`typeahead.index.lexical` and ``columns`` know nothing of files of documents; here they meet.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from typeahead.index.columns import FIELDS, ColumnsBuilder, StoredColumns
from typeahead.index.documents import Documents
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.progress import OnProgress

#: Documents between two reports of progress.
_STEP = 1000


def index_words(documents: Path, count: int, tell: OnProgress, passages: int | None = None) -> None:
    """Write the words and the fields of the ``count`` documents in an SQLite file into its folder.

    ``passages`` is the number of their passages, by default as many. A killed call leaves remains, which the next one
    deletes. Raises :class:`~typeahead.errors.IndexCorrupt` for documents that cannot be read, and ``OSError``.
    """
    tell("words", 0, count)
    divided = passages not in (None, count)
    columns = ColumnsBuilder()
    with closing(Documents(documents, count, passages)) as source, LexicalWriter(documents.parent) as writer:
        entries = source.divided() if divided else ((document, ()) for document in source)
        for row, (document, parts) in enumerate(entries, 1):
            writer.add(document, parts)
            columns.add(document)
            if row % _STEP == 0:
                tell("words", row, count)
        writer.finish()
    StoredColumns(count, columns.columns()).write(documents.parent / FIELDS)
    tell("words", count, count)
