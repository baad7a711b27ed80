"""BM25 over a collection, by bm25s: the first round of hard negatives.

This is Lucene's form (*Which BM25 do you mean?*, Kamphuis et al. 2020, table 1). A query's word adds this to a
passage's score::

    log(1 + (N - n + 0.5) / (n + 0.5)) · f / (k1 (1 - b + b l / L) + f)

Here n of N passages hold the word, and this one holds it f times. Its length is l words, and the mean length L. Words
are cut as bm25s does it: runs of two or more letters, digits and underscores, in lower case, without English stop
words.
"""

from __future__ import annotations

import logging
import re
import shutil
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from bm25s.stopwords import STOPWORDS_EN

# bm25s turns on its own debug messages.
logging.getLogger("bm25s").setLevel(logging.WARNING)

_WORD = re.compile(r"(?u)\b\w\w+\b")
_STOP_WORDS = frozenset(STOPWORDS_EN)


def words(text: str) -> list[str]:
    """The words of a text, as BM25 counts them."""
    return [word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


class BM25Index:
    """An index of a collection's words, in a folder. Passages are numbered from 0."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def open(cls, folder: Path, texts: Iterable[str], *, k1: float, b: float) -> BM25Index:
        """Open the index in ``folder``, or build it. An index that a kill left unfinished is built again.

        Building takes 4 bytes a word and 64 bytes a passage.

        Raises:
            ValueError: no passage has a word that counts.
        """
        if not folder.is_dir():
            vocabulary: dict[str, int] = {}
            ids = [array("i", (vocabulary.setdefault(word, len(vocabulary)) for word in words(text))) for text in texts]
            if not vocabulary:
                raise ValueError("no passage has a word that BM25 counts: check the collection")
            index = bm25s.BM25(k1=k1, b=b, method="lucene")
            index.index(bm25s.tokenization.Tokenized(ids, vocabulary), show_progress=False)
            partial = folder.with_name(folder.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            index.save(partial, show_progress=False)
            partial.replace(folder)
        # With Numba installed, search is about ten times as fast.
        return cls(bm25s.BM25.load(folder, mmap=True, backend="auto"))

    def search(self, queries: Sequence[str], depth: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows int64 and scores float32 of each query's ``depth`` best passages, best first.

        Only passages that share a word with the query count. Equal scores are in the order of their rows. If not all
        of them fit, bm25s chooses which to keep.
        """
        index = self._index
        depth = min(depth, index.scores["num_docs"])
        tokens = [words(query) for query in queries]
        known = [number for number, query in enumerate(tokens) if any(word in index.vocab_dict for word in query)]
        found = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries]
        if known:
            result = index.retrieve([tokens[number] for number in known], k=depth, show_progress=False)
            for number, rows, scores in zip(known, result.documents, result.scores, strict=True):
                rows, scores = rows[scores > 0].astype(np.int64), scores[scores > 0]
                order = np.lexsort((rows, -scores))
                found[number] = rows[order], scores[order]
        return found
