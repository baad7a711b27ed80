"""BM25 on whole words by bm25s; :mod:`typeahead.evaluate.measures.lexical` also matches an unfinished word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import MissingExtra
from typeahead.evaluate.peers.base import Hits

if TYPE_CHECKING:
    from typeahead.evaluate.data.datasets import Passage


class Bm25Retriever:
    """bm25s with its own defaults: Lucene's BM25, k1 1.5, b 0.75, English stop words left out, no stemming.

    It keeps the tokens of all passages in memory while it indexes them, some 200 bytes a word, so a small machine
    cannot index millions of passages. Passages that share no word with a query are not found.
    """

    settings = "lucene k1=1.5 b=0.75 stopwords=en"

    def __init__(self) -> None:
        try:
            import bm25s
        except ImportError as error:
            raise MissingExtra("bm25s", "peers") from error
        self._bm25s = bm25s
        self._ids: list[str] = []
        self._index: Any = None

    def index(self, passages: Iterable[Passage]) -> None:
        """Replace the passages to search."""
        self._ids = []

        def texts() -> Iterable[str]:
            for passage in passages:
                self._ids.append(passage.id)
                yield passage.text

        tokens = self._tokenize(texts())
        self._index = None
        if tokens.vocab:
            self._index = self._bm25s.BM25(backend="numpy")
            self._index.index(tokens, show_progress=False)

    def _tokenize(self, texts: Iterable[str]) -> Any:
        return self._bm25s.tokenize(texts, stopwords="en", show_progress=False)

    def search(self, texts: Sequence[str], depth: int) -> Hits:
        """For each text at most ``depth`` passages as (id, score), best first, ties in the order of the passages."""
        return [self._best(text, depth) for text in texts]

    def _best(self, text: str, depth: int) -> list[tuple[str, float]]:
        if self._index is None:
            return []
        words = self._bm25s.tokenize([text], stopwords="en", return_ids=False, show_progress=False)[0]
        ids = self._index.get_tokens_ids(words)
        if not ids:
            return []
        scores: NDArray[np.float32] = self._index.get_scores_from_ids(ids)
        return [(self._ids[row], float(scores[row])) for row in _top(scores, depth)]


def _top(scores: NDArray[np.float32], depth: int) -> list[int]:
    """Rows of the ``depth`` largest scores above zero, best first, ties by row."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > depth:
        least = np.partition(scores[rows], len(rows) - depth)[len(rows) - depth]
        rows = rows[scores[rows] >= least]
    # A stable sort leaves ties in the order of their rows.
    best: list[int] = rows[np.argsort(-scores[rows], kind="stable")][:depth].tolist()
    return best
