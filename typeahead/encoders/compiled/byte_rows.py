"""A product of unsigned queries with many rows of int8, by AVX-512 VNNI; :mod:`typeahead.index.int8` says which.

Rows are packed as :func:`typeahead.encoders.compiled.vnni.pack` packs columns, so a product reads them from the first
byte to the last. NumPy puts large arrays into huge pages. Both count, as a server seldom finds the rows in a cache: a
search of 39,000 x 384 that finds none there takes 0.74 ms with this, and 1.20 ms with ONNX Runtime
(``python -m benchmarks.search --cold``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.compiled.caching import compiled
from typeahead.encoders.compiled.kernels import multiply
from typeahead.encoders.compiled.vnni import BYTES, COLUMNS, aligned, supported

__all__ = ["ByteRows", "supported"]


class ByteRows:
    """Rows int8 (n, dim), to multiply queries with; safe to use from several threads.

    ``zero`` is what stands for zero in queries.
    """

    def __init__(self, rows: NDArray[np.int8], zero: int) -> None:
        self._count, dim = rows.shape
        self._columns = -(-self._count // COLUMNS) * COLUMNS
        self._dim = -(-dim // BYTES) * BYTES
        self._packed = aligned(np.zeros(self._columns * self._dim, np.int8))
        _pack(rows, self._packed, self._dim)
        self._begin = np.zeros(self._columns, np.int32)
        self._begin[: self._count] = -zero * rows.sum(axis=1, dtype=np.int32)

    def dot(self, queries: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return inner products: ``queries`` uint8 (m, dim) gives float32 (m, n)."""
        if queries.shape[1] < self._dim:
            queries = np.pad(queries, ((0, 0), (0, self._dim - queries.shape[1])))
        sums = np.empty((len(queries), self._columns), np.int32)
        products = sums.view(np.float32)
        _multiply(np.ascontiguousarray(queries), self._packed, self._begin, sums, products, self._dim)
        return products[:, : self._count]


@compiled(nogil=True, error_model="numpy")
def _pack(rows: Any, packed: Any, dim: int) -> None:
    """Pack int8 (n, …): in blocks of 64 rows, four bytes of each in turn."""
    for row in range(rows.shape[0]):
        first = row // COLUMNS * COLUMNS * dim + row % COLUMNS * BYTES
        for place in range(rows.shape[1]):
            packed[first + place // BYTES * BYTES * COLUMNS + place % BYTES] = rows[row, place]


@compiled(nogil=True, error_model="numpy")
def _multiply(queries: Any, packed: Any, begin: Any, sums: Any, products: Any, dim: int) -> None:
    """Write the products to ``sums``, and then as float32 to ``products``, which is the same memory."""
    multiply(queries, packed, begin, sums, dim, sums.shape[1])
    for query in range(sums.shape[0]):
        for row in range(sums.shape[1]):
            products[query, row] = np.float32(sums[query, row])
