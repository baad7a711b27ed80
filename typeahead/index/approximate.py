"""FAISS search: the HNSW graph of large indexes. :mod:`~typeahead.index.adopted` searches FAISS files of others.

``exact`` needs no FAISS and is as fast up to about 50,000 vectors: there it takes 0.62 ms a query (384 dimensions, one
core, best of 300). At 60,000, which no longer fit the cache, it takes 1.3; this graph over 60,000 takes 0.5 (``python
benchmarks/search.py --vectors 60000 --graph``). The graph holds its vectors as 8-bit codes, and its candidates are
rescored with the stored vectors. This is 1.6 times as fast as float32 and takes a quarter of the memory, at the same
recall.

A filter that admits few rows makes the graph useless: its candidates are the nearest of all rows, admitted or not. So
up to :data:`_SCANNED` admitted rows for each candidate, their codes are scanned. Beyond, FAISS collects the admitted
rows on its way through the graph, with up to :data:`_WIDER` times as many candidates. If these rows are far down among
all rows, the filter admits little near the query, and all admitted rows are scanned. Over 1,000,000 vectors, filters at
random find 95.8% of the true 10 or more and take 1.7 times as long as no filter at most. If the half farthest from each
query is admitted, a search finds 95.6% and takes 43 ms, nearly all for the scan (``python -m benchmarks.filters INDEX
--passages 1000000 --queries 50``).

Over 1,000,000 vectors of real text, 128 candidates find 95.0% of the true 10 in 0.52 ms, and 256 find 97.2% in 0.85.
With half as many links (16) it finds as much in the same time, with half as many candidates again, and takes a fifth
less memory. Inverted lists with product quantization (IVF4096,PQ96x4fs, 100 rows rescored) take a tenth of the memory
and need 102 seconds of a core to build, against 222 for the 16 links, but find 94.1% at most (``python -m
benchmarks.search_scale --compare IVF4096,PQ96x4fs hnsw:16:80:QT_8bit``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.core.encoder import Vectors
from typeahead.errors import MissingExtra
from typeahead.index.codes import Codes
from typeahead.index.exact import NONE_NEAR, Nearest, best, block_scores, check_admitted, row_scores

#: HNSW: neighbours per node, and candidates while inserting and while searching. On 60,000 clustered vectors, recall@8
#: is 0.9996 with 64 candidates and 1.0 with 128.
_NEIGHBOURS, _BUILD_CANDIDATES, _SEARCH_CANDIDATES = 32, 80, 128
#: Candidates for graphs of more than this many vectors: over a million, 128 would find just 95% of the true 10.
_LARGE, _SEARCH_CANDIDATES_LARGE = 250_000, 256
_TRAINING_ROWS = 50_000
_CHUNK = 4096
#: Up to this many admitted rows are scored from the stored vectors.
_FEW = 512
#: Up to this many admitted rows for each candidate of a search, their codes are scanned instead.
_SCANNED = 64
#: How many times as many candidates a search with a filter keeps at most, and the share of admitted rows from which on
#: it keeps more.
_WIDER, _DENSE = 1.5, 0.2
#: A search of the graph is judged by the rank that its last row has among all rows, of the first 100 that it finds. A
#: filter at random that admits a tenth brings the 100th to rank 1,600 at most of 300,000, one that admits the half that
#: is farthest from the query to 3,200 at least, and then 72% of the best 10 are found: more than this many times the
#: usual candidates, for 100 rows, are too many.
_JUDGED, _TOO_FAR = 100, 6
#: Bytes per read.
_READ = 4 << 20
#: Queries rescored at once: their candidates' vectors in float64 stay in the processor's cache.
_SCORED = 8


class HnswVectors:
    """Finds the k rows with the highest inner product, as far as the graph finds them; scores are exact.

    ``vectors`` as for :class:`~typeahead.index.exact.ExactVectors`. ``candidates`` is the number that a search keeps,
    or four times ``k`` if that is more. Safe to use from several threads. Raises ``ValueError`` if the graph does not
    belong to the vectors.
    """

    def __init__(self, vectors: NDArray[np.floating], graph: Path, candidates: int) -> None:
        self._faiss = import_faiss()
        # Not as a memmap: that class runs Python code on each access.
        self._vectors = np.asarray(vectors)
        self._graph = map_faiss(graph)
        if (self._graph.ntotal, self._graph.d) != vectors.shape:
            raise ValueError(f"{graph.name} has {self._graph.ntotal} vectors of {self._graph.d} dimensions")
        self._candidates = candidates
        self._codes = Codes(self._faiss, self._graph)
        self._usual = self._faiss.SearchParametersHNSW(efSearch=candidates)

    def search(self, queries: Vectors, k: int) -> list[list[tuple[int, float]]]:
        """Return what :meth:`nearest` does, as m lists of pairs."""
        return [found.pairs() for found in self.nearest(queries, k)]

    def nearest(self, queries: Vectors, k: int, admitted: NDArray[np.bool_] | None = None) -> list[Nearest]:
        """Return up to k rows with their scores for each of ``queries`` float32 (m, dim), finite.

        ``admitted`` bool (n,) says which rows count, None for all. If k rows are admitted, k are found.
        """
        if admitted is not None:
            return self._admitted(queries, k, admitted)
        wanted = _wanted(k, len(self._vectors))
        if not wanted:
            return [NONE_NEAR for _ in queries]
        return self._scored(queries, self._labels(queries, wanted, self._parameters(4 * k)), k)

    def _admitted(self, queries: Vectors, k: int, admitted: NDArray[np.bool_]) -> list[Nearest]:
        check_admitted(admitted, len(self._vectors))
        # Counting takes a tenth of the time that it takes to list the rows.
        count = int(np.count_nonzero(admitted))
        if count <= max(k, _FEW):
            rows = np.flatnonzero(admitted)
            return [best(rows, self.scores_of(query, rows), k) for query in queries]
        usual = max(4 * k, self._candidates)
        if count <= _SCANNED * usual:
            rows = np.flatnonzero(admitted)
            return [self._scanned(query, rows, k) for query in queries]
        share = count / len(admitted)
        candidates = min(round(usual * min(max(1, _DENSE / share), _WIDER)), len(admitted))
        selector = self._faiss.IDSelectorBitmap(np.packbits(admitted, bitorder="little"))
        parameters = self._faiss.SearchParametersHNSW(sel=selector, efSearch=candidates)
        found = self._scored(queries, self._labels(queries, _wanted(k, count), parameters), k)
        judged = min(k, _JUDGED)
        farthest = usual * max(1, _TOO_FAR * judged / _JUDGED)
        for place, (query, one) in enumerate(zip(queries, found, strict=True)):
            if len(one.rows) < k or self._codes.rank(query, one.rows[judged - 1]) > farthest:
                found[place] = self._scanned(query, np.flatnonzero(admitted), k)
        return found

    def _scanned(self, query: Vectors, rows: NDArray[np.int64], k: int) -> Nearest:
        """Find the k best of ``rows`` by their codes, and order them by the stored vectors."""
        found = self._codes.best(query, rows, _wanted(k, len(rows)))
        return best(found, self.scores_of(query, found), k)

    def _labels(self, queries: Vectors, wanted: int, parameters: Any) -> NDArray[np.int64]:
        # OpenMP's thread count is set per calling thread: more than one thread would spin on the cores of the others.
        self._faiss.omp_set_num_threads(1)
        labels: NDArray[np.int64] = self._graph.search(np.ascontiguousarray(queries), wanted, params=parameters)[1]
        return labels

    def vectors_of(self, rows: NDArray[np.int64]) -> Vectors:
        """Return the vectors of n rows: float32 (n, dim)."""
        return self._vectors.take(rows, axis=0).astype(np.float32, copy=False)

    def scores_of(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of some rows, computed as in :meth:`nearest`: float64 (n,)."""
        return row_scores(self._vectors, rows, query.astype(np.float64))

    def _scored(self, queries: Vectors, labels: NDArray[np.int64], k: int) -> list[Nearest]:
        """Return the k best of the rows ``labels`` (m, wanted), where -1 means no row."""
        found: list[Nearest] = []
        for start in range(0, len(queries), _SCORED):
            found += self._block_scored(queries[start : start + _SCORED], labels[start : start + _SCORED], k)
        return found

    def _block_scored(self, queries: Vectors, labels: NDArray[np.int64], k: int) -> list[Nearest]:
        missing = labels.min() < 0
        scores = block_scores(self._vectors, np.maximum(labels, 0) if missing else labels, queries.astype(np.float64))
        if missing:
            scores[labels < 0] = -np.inf
        found = []
        for rows, values, order in zip(labels, scores, np.lexsort((labels, -scores))[:, :k], strict=True):
            if missing:
                order = order[rows[order] >= 0]
            found.append(Nearest(rows[order], values[order]))
        return found

    def _parameters(self, least: int) -> Any:
        if least <= self._candidates:
            return self._usual
        return self._faiss.SearchParametersHNSW(efSearch=min(least, len(self._vectors)))


def _wanted(k: int, count: int) -> int:
    """How many of ``count`` rows are rescored to find the k best."""
    return min(max(2 * k, k + 16), count)


def search_candidates(count: int) -> int:
    """Return the number of candidates for a graph of ``count`` vectors; large graphs need more for the same recall."""
    return _SEARCH_CANDIDATES if count <= _LARGE else _SEARCH_CANDIDATES_LARGE


def build_graph(vectors: NDArray[np.floating], path: Path, progress: Callable[[int], None]) -> None:
    """Build the graph over ``vectors`` (n, dim) and write it; ``progress`` receives the number of rows inserted."""
    faiss = import_faiss()
    count, dim = vectors.shape
    graph = faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_8bit, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = _BUILD_CANDIDATES
    # Train the code ranges on rows spread over the whole collection, since sources are often sorted.
    sample = np.asarray(vectors[:: max(1, count // _TRAINING_ROWS)], np.float32)
    graph.train(sample if len(sample) else np.zeros((1, dim), np.float32))
    for start in range(0, count, _CHUNK):
        graph.add(np.asarray(vectors[start : start + _CHUNK], np.float32))
        progress(min(start + _CHUNK, count))
    # FAISS's own writer does not report data lost when it closes a file on a full disk.
    failures: list[OSError] = []
    with path.open("wb") as file:

        def write(data: bytes) -> None:
            try:
                file.write(data)
            except OSError as error:
                failures.append(error)
                raise

        try:
            faiss.write_index(graph, faiss.PyCallbackIOWriter(write))
        except RuntimeError:
            if failures:
                raise failures[0] from None
            raise


def read_faiss(path: Path) -> Any:
    """Read a FAISS index file; raises ``ValueError`` if invalid. Lists in another file are never opened for writing."""
    return _read(path, import_faiss().IO_FLAG_READ_ONLY)


def map_faiss(path: Path) -> Any:
    """Map a FAISS index file into memory, if this FAISS can (from 1.11); raises ``ValueError`` if it is invalid.

    Processes that map the same file share its pages, and a restarted process finds them in memory. When FAISS opens a
    graph it first visits all links, page by page, so we read the file from end to end before. A graph of 1,000,000
    vectors then opens in 0.07 s, or in 0.7 if its file comes from disk. Without reading ahead these times are 0.06 and
    3.8; reading the file into memory instead takes 0.45 and 1.3 (``python -m benchmarks.search_scale``).
    """
    flag = getattr(import_faiss(), "IO_FLAG_MMAP_IFC", 0)
    if flag:
        try:
            with path.open("rb", buffering=0) as file:
                buffer = bytearray(_READ)
                while file.readinto(buffer):
                    pass
        except OSError as error:
            raise ValueError(f"{path.name} cannot be read: {error.strerror}") from error
    return _read(path, flag | import_faiss().IO_FLAG_READ_ONLY)


def _read(path: Path, flags: int) -> Any:
    faiss = import_faiss()
    try:
        return faiss.read_index(str(path), flags)
    except (RuntimeError, MemoryError) as error:
        # FAISS's message starts with a line of its C++ source.
        reason = str(error).rsplit("Error: ", 1)[-1].strip().splitlines()
        raise ValueError(
            f"{path.name} is not a FAISS index that this FAISS can read: {' '.join(reason)[:200]}"
        ) from error


def import_faiss() -> Any:
    """Import FAISS on first use; raises :class:`~typeahead.errors.MissingExtra` if it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise MissingExtra("faiss-cpu", "index") from error
    return faiss
