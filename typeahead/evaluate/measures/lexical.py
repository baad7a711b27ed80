"""The lexical arm over a collection's passages, as it serves: the same table of words, searched by the same code.

:mod:`typeahead.index.documents` indexes the words and :mod:`typeahead.index.words` searches them, so a figure of the
lexical arm is one of what ships: a word that more than :data:`~typeahead.index.words.COMMON` passages hold counts for
nothing, as does a single letter that is still being typed, and ties are in the order of the passages.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.errors import SourceError
from typeahead.index.documents import DocumentWriter
from typeahead.index.words import Words
from typeahead.text.document import Document

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset

#: Passages in a transaction.
_BATCH = 10_000


@contextmanager
def indexed_words(dataset: Dataset, folder: Path) -> Iterator[Words]:
    """Index the words of a dataset's passages in a file below ``folder``, which is deleted at the end.

    The file also holds the texts. Its rows are those of the passages.

    Raises :class:`~typeahead.errors.SourceError` for a passage that cannot be read or stored, and where SQLite cannot
    index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="words-", dir=folder) as place:
        path = Path(place, "documents.sqlite")
        try:
            _write(dataset, path)
        except sqlite3.Error as error:
            raise SourceError(
                f"SQLite {sqlite3.sqlite_version} could not index the words in {folder}: {error}"
            ) from error
        words = Words(path, dataset.passage_count)
        try:
            yield words
        finally:
            words.close()


def _write(dataset: Dataset, path: Path) -> None:
    writer = DocumentWriter(path)
    try:
        documents = (Document(passage.id, "", passage.text) for passage in dataset.passages())
        row = 0
        while part := list(islice(documents, _BATCH)):
            writer.append(row, part)
            row += len(part)
        writer.finish()
    finally:
        writer.close()
