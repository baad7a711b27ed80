"""Searches a FAISS file that somebody else has made, as it is: any type of index, with labels of any kind.

Most types can be told which labels count. The fewer rows are admitted, the further a search looks: it probes more
inverted lists, so that it scores about as many rows as without a filter, or keeps more candidates of a graph, up to
:data:`_FURTHER` times as many. The other types are searched for more rows than are
wanted, and what is not admitted is dropped. Where few rows are admitted, they are reconstructed and scored instead, if
the index can do that. An index that can do neither may find fewer rows than are admitted.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.index.approximate import import_faiss, map_faiss
from typeahead.index.exact import NONE_NEAR, Nearest, admitted_rows, best

#: How many times as many candidates of a graph a search keeps when few rows are admitted, at most.
_FURTHER: Final = 8
#: Up to this many admitted rows are reconstructed at once, and up to the second number if a search finds too few.
_FEW: Final = 500
_MANY: Final = 20_000
#: Rows that a search finds, at most, where the index cannot be told which ones count.
_DEEPEST: Final = 1 << 14
#: A bit set of labels has at most this many bits for each row; otherwise labels are kept in a hash table.
_SPARSEST: Final = 64


class FaissVectors:
    """An adopted FAISS index. Safe to use from several threads.

    ``labels`` int64 (n,), ascending, holds the label of each row if labels are not row numbers. An index that measures
    squared L2 distance holds vectors of length 1, so the inner product is 1 - distance/2. ``nprobe`` is the number of
    inverted lists that a search probes, or ``None`` for the file's own setting. Raises ``ValueError`` if the file is
    not a FAISS index, or if ``nprobe`` is given and it has no inverted lists.
    """

    def __init__(self, path: Path, labels: NDArray[np.int64] | None, nprobe: int | None = None) -> None:
        self._faiss = import_faiss()
        self.index = map_faiss(path)
        if nprobe is not None:
            lists = self._faiss.try_extract_index_ivf(self.index)
            if lists is None:
                raise ValueError(f"{path.name} has no inverted lists, so nprobe={nprobe} does not apply")
            lists.nprobe = nprobe
        self._labels = labels
        #: Whether the index can be told which labels count; known after the first try.
        self._selects = True
        #: The last selector, and the bits that it was made of.
        self._last: tuple[bytes, Any] = b"", None

    def search(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Return what :meth:`nearest` does, as m lists of pairs."""
        return [found.pairs() for found in self.nearest(queries, k)]

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """Return rows and scores as the index computes them; with L2, queries must have length 1.

        Rows that are reconstructed have the inner product with the reconstructed vector.
        """
        self._faiss.omp_set_num_threads(1)
        if admitted is not None:
            return self._admitted(np.ascontiguousarray(queries), k, admitted)
        wanted = min(k, self.index.ntotal)
        return self._searched(queries, wanted, None) if wanted else [NONE_NEAR for _ in queries]

    def vectors_of(self, rows: NDArray[np.int64]) -> Vectors | None:
        """Return the vectors of n rows as FAISS reconstructs them: float32 (n, dim); None if it cannot."""
        vectors = self._reconstructed(rows)
        return None if vectors is None else vectors.astype(np.float32)

    def scores_of(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Score some rows with the vectors that FAISS reconstructs, which may be compressed; None if it cannot."""
        vectors = self._reconstructed(rows)
        if vectors is None:
            return None
        scores: NDArray[np.float64] = np.vecdot(vectors, query.astype(np.float64))
        return scores

    def _admitted(self, queries: Vectors, k: int, admitted: NDArray[np.bool_]) -> list[Nearest]:
        rows = admitted_rows(admitted, self.index.ntotal)
        wanted = min(k, len(rows))
        if not wanted:
            return [NONE_NEAR for _ in queries]
        if len(rows) <= max(wanted, _FEW) and (found := self._scored(queries, rows, k)) is not None:
            return found
        found = self._selected(queries, wanted, admitted, rows)
        few = [place for place, one in enumerate(found) if len(one.rows) < wanted]
        if few and len(rows) <= _MANY and (scored := self._scored(queries[few], rows, k)) is not None:
            for place, one in zip(few, scored, strict=True):
                found[place] = one
        return found

    def _selected(
        self, queries: Vectors, wanted: int, admitted: NDArray[np.bool_], rows: NDArray[np.int64]
    ) -> list[Nearest]:
        """Search for ``rows`` alone, or for more than ``wanted`` of which the others are dropped."""
        if self._selects:
            further = -(-len(admitted) // len(rows))
            parameters = self._parameters(self.index, self._selector(admitted, rows), further, wanted)
            try:
                found = self._searched(queries, wanted, parameters)
            except RuntimeError:
                self._selects = False
            else:
                # A type that takes a selector and pays no attention to it is caught here.
                return [_kept(one, admitted, wanted) for one in found]
        depth = min(-(-2 * wanted * len(admitted) // len(rows)), _DEEPEST, len(admitted))
        while True:
            found = [_kept(one, admitted, wanted) for one in self._searched(queries, depth, None)]
            if depth == min(_DEEPEST, len(admitted)) or all(len(one.rows) == wanted for one in found):
                return found
            depth = min(8 * depth, _DEEPEST, len(admitted))

    def _searched(self, queries: Vectors, wanted: int, parameters: Any) -> list[Nearest]:
        options = {} if parameters is None else {"params": parameters}
        distances, labels = self.index.search(np.ascontiguousarray(queries), wanted, **options)
        if self.index.metric_type == self._faiss.METRIC_L2:
            distances = 1 - distances / 2
        found = []
        for row_scores_, row_labels in zip(distances, labels, strict=True):
            there = row_labels >= 0
            rows = row_labels[there] if self._labels is None else np.searchsorted(self._labels, row_labels[there])
            found.append(best(rows, row_scores_[there].astype(np.float64), wanted))
        return found

    def _parameters(self, index: Any, selector: Any, further: int, wanted: int) -> Any:
        """Make the parameters of a search of ``index`` that admits what ``selector`` does."""
        faiss = self._faiss
        index = faiss.downcast_index(index)
        if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2, faiss.IndexPreTransform)):
            # Both hand their parameters to the index inside.
            return self._parameters(index.index, selector, further, wanted)
        if isinstance(index, faiss.IndexRefine):
            inside = self._parameters(index.base_index, selector, further, wanted)
            return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=inside)
        if isinstance(index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=selector, nprobe=min(index.nlist, further * index.nprobe))
        if isinstance(index, faiss.IndexHNSW):
            kept = min(further, _FURTHER) * max(index.hnsw.efSearch, wanted)
            return faiss.SearchParametersHNSW(sel=selector, efSearch=kept)
        return faiss.SearchParameters(sel=selector)

    def _selector(self, admitted: NDArray[np.bool_], rows: NDArray[np.int64]) -> Any:
        packed = np.packbits(admitted, bitorder="little")
        bits, selector = self._last
        if bits == (raw := packed.tobytes()):
            return selector
        labels = rows if self._labels is None else self._labels[rows]
        if self._labels is None:
            selector = self._faiss.IDSelectorBitmap(packed)
        elif labels[0] >= 0 and labels[-1] < _SPARSEST * len(admitted):
            spread = np.zeros(int(labels[-1]) + 1, np.bool_)
            spread[labels] = True
            selector = self._faiss.IDSelectorBitmap(np.packbits(spread, bitorder="little"))
        else:
            selector = self._faiss.IDSelectorBatch(labels)
        self._last = raw, selector
        return selector

    def _scored(self, queries: Vectors, rows: NDArray[np.int64], k: int) -> list[Nearest] | None:
        """The k best of ``rows`` by their reconstructed vectors; None if the index cannot reconstruct."""
        vectors = self._reconstructed(rows)
        if vectors is None:
            return None
        return [best(rows, np.vecdot(vectors, query.astype(np.float64)), k) for query in queries]

    def _reconstructed(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        index, places = self._inside
        labels = places[rows] if places is not None else rows if self._labels is None else self._labels[rows]
        if not len(labels):
            return np.zeros((0, self.index.d))
        try:
            vectors: NDArray[np.float64] = index.reconstruct_batch(labels).astype(np.float64)
        except RuntimeError:  # for example inverted lists without a map from labels to positions
            return None
        return vectors

    @cached_property
    def _inside(self) -> tuple[Any, NDArray[np.int64] | None]:
        """The index that reconstructs, and the place of each row in it, None if that is its label."""
        index = self._faiss.downcast_index(self.index)
        if isinstance(index, self._faiss.IndexIDMap) and not isinstance(index, self._faiss.IndexIDMap2):
            # This type finds no vector by its label, but the index inside may find it by its place.
            return self._faiss.downcast_index(index.index), np.argsort(self._faiss.vector_to_array(index.id_map))
        return self.index, None


def _kept(found: Nearest, admitted: NDArray[np.bool_], wanted: int) -> Nearest:
    """The admitted rows of ``found``, ``wanted`` at most."""
    kept = np.flatnonzero(admitted[found.rows])[:wanted]
    return Nearest(found.rows[kept], found.scores[kept])
