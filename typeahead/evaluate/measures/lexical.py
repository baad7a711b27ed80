"""The lexical arm alone over a collection's passages: the index of words that serves, ranked by its own BM25.

Texts are read as a server reads them (:mod:`typeahead.search.reading`). A server ranks by both arms, so here the order
is that in which :mod:`typeahead.index.lexical` finds candidates. Ties are in the order of the passages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from typeahead.errors import SourceError
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.lexical.writer import LexicalWriter
from typeahead.index.vectors import Ranking
from typeahead.search.reading import Reader
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary
from typeahead.text.document import Document

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Dataset


class WordSearch:
    """Finds passages by the words of typed texts. May be used from several threads."""

    def __init__(self, lexical: Lexical) -> None:
        self._lexical = lexical
        self._reader = Reader(lexical.vocabulary)

    @property
    def vocabulary(self) -> Vocabulary:
        """All words of the passages."""
        return self._lexical.vocabulary

    def search(self, text: str, depth: int) -> Ranking:
        """Find the ``depth`` passages of the highest BM25 scores: rows with scores, best first, ties by row."""
        words = self._reader.read(text).words
        without = [Term({form: 1.0}) for form in words.without]
        rows, scores = self._lexical.candidates(words.terms, depth, words.phrases, without)
        return list(zip(rows.tolist(), scores.tolist(), strict=True))


@contextmanager
def indexed_words(dataset: Dataset, folder: Path) -> Iterator[WordSearch]:
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
        yield WordSearch(Lexical.open(Path(place), dataset.passage_count))
