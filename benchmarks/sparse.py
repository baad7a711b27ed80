"""Sparse search at every keystroke with two engines: SciPy's compressed columns, and Seismic.

    python -m benchmarks.sparse INDEX QUERIES.tsv [--count N] [--json PATH]

INDEX holds weights of tokens (``python -m training.light.sparse_passages``). Every key of the queries is searched, one
after the other, on one thread. Tokenization counts, as on a server. ``SciPy`` is what typeahead serves with
(:mod:`typeahead.index.sparse`), and is exact. Seismic (Bruch et al. 2024; ``pip install pyseismic-lsr``) is approximate
and runs at two settings of how much it looks at. Its recall is measured against SciPy's ten best.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import options
from typeahead.errors import MissingExtra
from typeahead.index import open_index
from typeahead.index.sparse import SPARSE, SparseWords
from typeahead.tables import report

_DEPTH = 10
#: Texts to warm up with.
_WARM = 200
#: Seismic's query cut and heap factor: those of its documentation, and a pair that looks at more.
_SETTINGS = ((10, 0.8), (64, 1.0))

Search = Callable[[str], Sequence[tuple[int, float]]]


def keys_of(queries: Sequence[str]) -> list[str]:
    """The text after every key of each query."""
    return [query[:count] for query in queries for count in range(1, len(query) + 1)]


def timed(search: Search, texts: Sequence[str]) -> tuple[list[float], list[list[int]]]:
    """Microseconds of each search, and the rows found."""
    for text in texts[:_WARM]:
        search(text)
    micros, rows = [], []
    for text in texts:
        start = time.perf_counter_ns()
        found = search(text)
        micros.append((time.perf_counter_ns() - start) / 1000)
        rows.append([row for row, _ in found])
    return micros, rows


def seismic_searches(words: SparseWords) -> dict[str, Search]:
    """Searches by Seismic over the same weights, by the name of the setting."""
    try:
        import seismic
    except ImportError as error:
        raise MissingExtra("pyseismic-lsr", "bench") from error
    kind = seismic.get_seismic_string()
    weights = words.weights.tocsr()
    dataset = seismic.SeismicDataset()
    for row in range(weights.shape[0]):
        own = slice(weights.indptr[row], weights.indptr[row + 1])
        tokens = weights.indices[own].astype(str).astype(kind)
        dataset.add_document(str(row), tokens, weights.data[own].astype(np.float32))
    index = seismic.SeismicIndex.build_from_dataset(dataset, num_threads=1)

    def search_with(cut: int, factor: float) -> Search:
        def search(text: str) -> Sequence[tuple[int, float]]:
            tokens, counts = words.query(text)
            if not len(tokens):
                return ()
            found = index.search("q", tokens.astype(str).astype(kind), counts, _DEPTH, cut, factor)
            return [(int(document), score) for _, score, document in found]

        return search

    return {f"Seismic, cut {cut}, factor {factor}": search_with(cut, factor) for cut, factor in _SETTINGS}


def row_of(name: str, micros: Sequence[float], rows: Sequence[Sequence[int]], exact: Sequence[Sequence[int]]) -> Any:
    """One line of the table."""
    shared = [len(set(one) & set(other)) / len(other) for one, other in zip(rows, exact, strict=True) if other]
    p50, p99 = np.percentile(micros, (50, 99))
    return {
        "engine": name,
        "p50 µs": round(float(p50), 1),
        "p99 µs": round(float(p99), 1),
        f"recall@{_DEPTH}": round(float(np.mean(shared)), 4),
    }


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("sparse", __doc__)
    parser.add_argument("index", type=Path, help="index with weights of tokens")
    parser.add_argument("queries", type=Path, help="one text, or source<TAB>text, a line")
    parser.add_argument("--count", type=int, default=300, help="number of queries to type (300)")
    chosen = parser.parse_args(arguments)
    lines = chosen.queries.read_text(encoding="utf-8").splitlines()
    queries = random.Random(1).sample([line.rpartition("\t")[2] for line in lines], chosen.count)
    texts = keys_of(queries)
    with open_index(chosen.index) as index:
        words = SparseWords(index.generation / SPARSE, len(index))
    micros, exact = timed(lambda text: words.search(text, _DEPTH), texts)
    rows = [row_of("SciPy, exact", micros, exact, exact)]
    for name, search in seismic_searches(words).items():
        rows.append(row_of(name, *timed(search, texts), exact))
    weights = words.weights
    report(
        f"{len(texts):,} keys of {len(queries)} queries over {weights.shape[0]:,} passages",
        rows,
        json_path=chosen.json,
        weights_a_passage=round(weights.nnz / weights.shape[0], 1),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
