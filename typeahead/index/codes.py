"""The 8-bit codes inside a graph, scored row by row: the way to search few rows, and rows that no graph leads to.

FAISS keeps a vector as x ≈ low + (code + ½)/255 · width, with ``low`` and ``width`` for each dimension. So the inner
product with a query q is Σ (q · width/255) · code, up to a number that is the same for all rows. Numba adds this up if
it is installed; otherwise FAISS does, which looks at all rows to find those that count.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.encoders.compiled.importing import import_compiled

#: Rows among which the rank of a score is estimated.
_SAMPLE: Final = 4096


class Codes:
    """The codes of the n vectors of ``graph``, an ``IndexHNSWSQ`` of ``faiss`` with 8 bits for each dimension.

    Safe to use from several threads.
    """

    def __init__(self, faiss: Any, graph: Any) -> None:
        self._faiss = faiss
        # What the arrays below lie in.
        self._graph = graph
        self._storage = self._faiss.downcast_index(graph.storage)
        self._count, dim = graph.ntotal, graph.d
        if not isinstance(self._storage, faiss.IndexScalarQuantizer) or self._storage.code_size != dim:
            raise ValueError(f"a graph holds {type(self._storage).__name__}, not codes of 8 bits")
        held = self._storage.codes
        self._codes: NDArray[np.uint8] = self._faiss.rev_swig_ptr(held.data(), held.size()).reshape(self._count, dim)
        self._widths: Vectors = self._faiss.vector_to_array(self._storage.sq.trained)[dim:] / np.float32(255)
        compiled: Any = import_compiled("admitted", "scoring admitted rows")
        self._scan: Any = None if compiled is None else compiled.scan

    def best(self, query: Vectors, rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """Return the ``most`` best of ``rows`` int64 (m,), ascending, for ``query`` float32 (dim,), in no order."""
        if most >= len(rows):
            return rows
        if self._scan is None:
            admitted = np.zeros(self._count, np.bool_)
            admitted[rows] = True
            selector = self._faiss.IDSelectorBitmap(np.packbits(admitted, bitorder="little"))
            self._faiss.omp_set_num_threads(1)
            parameters = self._faiss.SearchParameters(sel=selector)
            found: NDArray[np.int64] = self._storage.search(query[None], most, params=parameters)[1][0]
            return found
        scores = np.empty(len(rows), np.float32)
        self._scan(self._codes, rows, query * self._widths, scores)
        chosen: NDArray[np.int64] = rows[np.argpartition(scores, -most)[-most:]]
        return chosen

    def rank(self, query: Vectors, row: int) -> float:
        """Estimate how many of all rows are better for ``query`` float32 (dim,) than ``row``, by a random sample."""
        weights = query * self._widths
        sample = self._sample
        if self._scan is None:
            scores = sample.astype(np.float32) @ weights
        else:
            scores = np.empty(len(sample), np.float32)
            self._scan(sample, np.arange(len(sample)), weights, scores)
        own = self._codes[row].astype(np.float32) @ weights
        # The two sums differ in their last bits, and the row may be in the sample.
        better = int(np.count_nonzero(scores > own + np.float32(1e-6)))
        return float(better * self._count / len(sample))

    @cached_property
    def _sample(self) -> NDArray[np.uint8]:
        rows = np.random.default_rng(0).choice(self._count, min(_SAMPLE, self._count), replace=False)
        sample: NDArray[np.uint8] = self._codes[np.sort(rows)]
        return sample
