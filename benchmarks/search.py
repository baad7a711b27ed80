"""Ways to search one query among many vectors on one core: what ``typeahead.index`` uses against the alternatives.

    python -m benchmarks.search [--vectors 39000] [--dim 384] [--graph] [--cold]

Vectors are random points around random centres, of length 1; queries are points near some of them. Prints the best and
the median of 300 searches for the top 8, in milliseconds, and the share of the true top 8 that was found. For the
method in use it also prints how long opening takes, and how much of that is the layout of the product's
rows. With ``--cold``, 8 MB are read before each search, as other work of a server does. Needs the extra
``index``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from typeahead.encoders.compiled.importing import VARIABLE
from typeahead.index.approximate import import_faiss
from typeahead.index.exact import ExactVectors
from typeahead.index.few import FewVectors
from typeahead.index.int8 import Int8Rows

K = 8
Rows = NDArray[np.int64]
#: What is read before each search.
_OTHER = np.zeros(0, np.uint8)


def points(count: int, dim: int, queries: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make vectors and queries, each of length 1."""
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(count // 50 + 1, dim)))
    near = centres[rng.integers(0, len(centres), count)] + rng.normal(size=(count, dim)) * 0.9 / np.sqrt(dim)
    vectors = unit(near)
    asked = vectors[rng.integers(0, count, queries)] + rng.normal(size=(queries, dim)) * 0.6 / np.sqrt(dim)
    return vectors.astype(np.float32), unit(asked).astype(np.float32)


def unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Scale rows to length 1."""
    scaled: NDArray[Any] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def measure(
    name: str, search: Callable[[NDArray[np.float32]], Rows], queries: NDArray[np.float32], truth: Rows
) -> None:
    """Measure one way to search, and print its line of the table."""
    times, found = [], 0
    for query, expected in zip(queries, truth, strict=True):
        _OTHER.sum()
        started = time.perf_counter()
        rows = search(query[None])
        times.append(time.perf_counter() - started)
        found += len(set(rows.tolist()) & set(expected.tolist()))
    best, median = min(times) * 1e3, float(np.median(times)) * 1e3
    print(f"{name:36} {best:8.3f} {median:8.3f} {found / truth.size:8.4f}", flush=True)


def top(index: Any) -> Callable[[NDArray[np.float32]], Rows]:
    """The search of a FAISS index."""

    def search(query: NDArray[np.float32]) -> Rows:
        rows: Rows = index.search(query, K)[1][0]
        return rows

    return search


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=39_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--graph", action="store_true", help="also search HNSW graphs, which take a minute to build")
    parser.add_argument("--cold", action="store_true", help="read 8 MB before each search")
    arguments = parser.parse_args()
    if arguments.cold:
        _OTHER.resize(8 << 20, refcheck=False)
    vectors, queries = points(arguments.vectors, arguments.dim, 300)
    truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :K]
    print(f"{'':36} {'best ms':>8} {'p50 ms':>8} {'found':>8}")
    ExactVectors(vectors[:1])  # imports compiled code
    started = time.perf_counter()
    exact = ExactVectors(vectors)
    opened = time.perf_counter()
    Int8Rows(np.zeros(vectors.shape, np.int8))
    laid_out = time.perf_counter() - opened
    measure("int8 product with a bound (chosen)", lambda q: exact.nearest(q, K)[0].rows, queries, truth)
    print(f"{'  opened in ms, of these for layout':36} {1e3 * (opened - started):8.0f} {1e3 * laid_out:8.0f}")
    os.environ[VARIABLE] = "0"
    plain = ExactVectors(vectors)
    del os.environ[VARIABLE]
    measure("the same without compiled code", lambda q: plain.nearest(q, K)[0].rows, queries, truth)
    started = time.perf_counter()
    few = FewVectors(vectors)
    opened = time.perf_counter()
    measure("float32 product with a bound", lambda q: few.nearest(q, K)[0].rows, queries, truth)
    print(f"{'  opened in ms':36} {1e3 * (opened - started):8.0f}")
    faiss = import_faiss()
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(arguments.dim)
    flat.add(vectors)
    measure("FAISS flat float32", top(flat), queries, truth)
    for kind in ("QT_fp16", "QT_8bit_uniform", "QT_8bit", "QT_4bit"):
        coded = faiss.IndexScalarQuantizer(
            arguments.dim, getattr(faiss.ScalarQuantizer, kind), faiss.METRIC_INNER_PRODUCT
        )
        coded.train(vectors)
        coded.add(vectors)
        # Not exact: a bound and a second pass would cost extra.
        measure(f"FAISS {kind}", top(coded), queries, truth)
    measure("NumPy float32", lambda q: np.argpartition(-(vectors @ q[0]), K)[:K], queries, truth)
    if not arguments.graph:
        return
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    for kind in ("SQ8", "Flat"):
        graph = faiss.index_factory(arguments.dim, f"HNSW32,{kind}", faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = 80
        graph.train(vectors[:20_000])
        graph.add(vectors)
        faiss.omp_set_num_threads(1)
        for width in (64, 128, 256):
            parameters = faiss.SearchParametersHNSW(efSearch=width)

            def search(q: NDArray[np.float32], graph: Any = graph, parameters: Any = parameters) -> Rows:
                rows = graph.search(q, 32, params=parameters)[1][0]
                best: Rows = rows[np.argsort(-(vectors[rows] @ q[0]))[:K]]
                return best

            measure(f"FAISS HNSW32,{kind} efSearch {width}, re-ranked", search, queries, truth)
        faiss.omp_set_num_threads(os.cpu_count() or 1)


if __name__ == "__main__":
    main()
