"""The sparse arm: passages as token weights, queries as token counts (LightRetriever).

A trained encoder computes a passage's weights beforehand (``python -m training.light.sparse_passages``), so a passage
can be found by words that it does not contain. A query needs no model at all: its score with a passage is the sum, over
its tokens, of the token's count times the passage's weight for it. The last token of an unfinished word counts like any
other: unlike the lexical arm, this one does not complete words.

SciPy computes the products over compressed columns, one per token; ``python -m benchmarks.sparse`` compares it with
Seismic. ``sparse.safetensors`` is in the index beside its vectors: ``starts`` int64 (vocabulary + 1,), ``rows`` int32
and ``weights`` float32 (entries,), column after column, and ``tokenizer`` uint8, the tokenizer's JSON. Its metadata
hold ``format_version``, ``counts`` ("count" or "set"), and ``documents``, their number.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from typeahead.core.tokens import IncrementalTokenizer, check_text
from typeahead.errors import IndexCorrupt, IndexNotFound, MissingExtra
from typeahead.index.vectors import Ranking

SPARSE = "sparse.safetensors"
FORMAT_VERSION = 1
_TENSORS = ("starts", "rows", "weights", "tokenizer")


def write_sparse(path: Path, weights: Any, tokenizer: str, *, counts: str) -> None:
    """Write SciPy's sparse weights (documents, vocabulary) atomically."""
    columns = weights.tocsc()
    columns.sort_indices()
    partial = path.with_suffix(".partial")
    save_file(
        {
            "starts": columns.indptr.astype(np.int64),
            "rows": columns.indices.astype(np.int32),
            "weights": columns.data.astype(np.float32),
            "tokenizer": np.frombuffer(tokenizer.encode(), np.uint8),
        },
        partial,
        metadata={
            "format_version": str(FORMAT_VERSION),
            "counts": counts,
            "documents": str(columns.shape[0]),
        },
    )
    partial.replace(path)


class SparseWords:
    """The weights of an index's ``count`` documents. May be searched from several threads.

    Raises:
        IndexNotFound: there is no such file.
        IndexCorrupt: the file is damaged, or belongs to other documents.
        MissingExtra: SciPy is not installed.
    """

    def __init__(self, path: Path, count: int) -> None:
        try:
            from scipy.sparse import csc_array
        except ImportError as error:
            raise MissingExtra("SciPy", "sparse") from error
        if not path.is_file():
            raise IndexNotFound(
                f"{path.parent} has no token weights: write them with python -m training.light.sparse_passages",
                folder=path.parent,
            )
        try:
            with safe_open(path, framework="numpy") as file:
                said = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
            starts, rows, weights = _checked(tensors, said, count)
            self._tokenizer = IncrementalTokenizer(Tokenizer.from_buffer(tensors["tokenizer"].tobytes()))
            # A model may have more rows than its tokenizer has tokens.
            if self._tokenizer.vocabulary_size > len(starts) - 1:
                raise ValueError(f"it has {len(starts) - 1} columns for {self._tokenizer.vocabulary_size} tokens")
        except (SafetensorError, KeyError, ValueError) as error:
            raise IndexCorrupt(f"{path}: {error}: write it again", folder=path.parent) from error
        # Only one thread at a time may use the tokenizer's cache.
        self._lock = threading.Lock()
        self._set = said["counts"] == "set"
        #: SciPy's compressed columns (documents, vocabulary).
        self.weights = csc_array((weights, rows, starts), shape=(count, len(starts) - 1))

    def query(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the distinct tokens of a text, ascending, and the weight of each.

        Raises :class:`~typeahead.errors.TextError` for a lone surrogate.
        """
        check_text(text)
        with self._lock:
            ids = self._tokenizer.encode(text)
        tokens, counts = np.unique(np.array(ids, np.int64), return_counts=True)
        return tokens, np.ones(len(tokens), np.float32) if self._set else counts.astype(np.float32)

    def search(self, text: str, depth: int, admitted: NDArray[np.bool_] | None = None) -> Ranking:
        """Find the ``depth`` documents with the highest scores above zero: rows and scores, best first, ties by row.

        ``admitted`` bool (documents,) says which documents count, None for all. Nothing is cached. Raises
        the same errors as :meth:`query`.
        """
        tokens, counts = self.query(text)
        if not len(tokens):
            return ()
        scores: NDArray[np.float32] = self.weights[:, tokens] @ counts
        if admitted is not None:
            scores = np.where(admitted, scores, np.float32(0))
        if depth < len(scores):
            # Keep all rows tied with the last one, so that ties go by row.
            least = -np.partition(-scores, depth - 1)[depth - 1]
            found = np.flatnonzero(scores >= max(least, np.nextafter(np.float32(0), np.float32(1))))
        else:
            found = np.flatnonzero(scores > 0)
        order = found[np.lexsort((found, -scores[found]))][:depth]
        return list(zip(order.tolist(), scores[order].tolist(), strict=True))

    def close(self) -> None:
        """Do nothing: everything is in memory, and no file is open."""


def _checked(
    tensors: dict[str, NDArray[Any]], said: dict[str, str], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Validate and return starts, rows and weights; raises ``ValueError`` with the reason if they are invalid."""
    if said.get("format_version") != str(FORMAT_VERSION):
        raise ValueError(f"its format is {said.get('format_version')!r}, not {FORMAT_VERSION}")
    if said.get("counts") not in ("count", "set"):
        raise ValueError(f"counts are {said.get('counts')!r}")
    if said.get("documents") != str(count):
        raise ValueError(f"it is for {said.get('documents')} documents, but the index has {count}")
    starts, rows, weights = (tensors[name] for name in ("starts", "rows", "weights"))
    types = f"{starts.dtype}, {rows.dtype} and {weights.dtype}"
    if types != "int64, int32 and float32" or not starts.ndim == rows.ndim == weights.ndim == 1:
        raise ValueError(f"starts, rows and weights are {types}, not int64, int32 and float32 vectors")
    if len(starts) < 2 or starts[0] != 0 or starts[-1] != len(rows) or len(rows) != len(weights):
        raise ValueError("the sizes of starts, rows and weights do not match")
    if (np.diff(starts) < 0).any() or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
        raise ValueError("a column or a row is out of range")
    if not np.isfinite(weights).all():
        raise ValueError("a weight is not finite")
    return starts, rows, weights
