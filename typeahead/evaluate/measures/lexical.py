"""The lexical arm over a collection's passages, as it serves: the same index of words, searched by the same code.

:mod:`typeahead.index.lexical` indexes the words and :mod:`typeahead.index.words` searches them. Ties are in the order
of the passages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.errors import SourceError
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.index.words import Words
from typeahead.text.document import Document

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset


@contextmanager
def indexed_words(dataset: Dataset, folder: Path) -> Iterator[Words]:
    """Index the words of a dataset's passages in a folder below ``folder``, which is deleted at the end.

    Its rows are those of the passages. Raises :class:`~typeahead.errors.SourceError` for a passage that cannot be
    read, and where the index cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="words-", dir=folder) as place:
        try:
            with LexicalWriter(Path(place)) as writer:
                for passage in dataset.passages():
                    writer.add(Document(passage.id, "", passage.text))
                writer.finish()
        except (OSError, ValueError) as error:
            raise SourceError(f"the words could not be indexed in {folder}: {error}") from error
        yield Words(Path(place), dataset.passage_count)
