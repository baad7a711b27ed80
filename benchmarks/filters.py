"""What a filter costs and what it finds: vectors and words, at every share of admitted passages.

    python -m benchmarks.filters INDEX [--passages 39000] [--folder DIR] [--queries 100]

INDEX is the folder of a real index with vectors of its own; :mod:`benchmarks.mixed` makes ``--passages`` of it. They
are searched exactly up to 50,000, and by a graph beyond, as an index does by default. Filters admit passages at random,
or those of whole clusters: the clusters farthest from each query ("far"), or the nearest ("near"). "dead" admits 70% at
random, as if the others had been deleted.

recall@10 compares vectors with a product with all of them, and words with the 10 best admitted passages by the exact
score of ``benchmarks.words``; a passage as good as the tenth counts as found. Times are of the processor, in
milliseconds, p50: each search runs beside one without a filter, and "times" is the ratio of the two. ``--folder`` keeps
what is built for the next time: 3.4 GB for 1,000,000 passages.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.mixed import Mixed, build
from benchmarks.words import exact, terms_of
from typeahead.index.exact import ExactVectors
from typeahead.index.lexical.lexical import Lexical
from typeahead.index.vectors import EXACT_UP_TO, VECTORS, map_vectors, open_vectors
from typeahead.tables import report

#: What a key asks each arm for, and what counts of it.
DEPTH, BEST = 100, 10
SHARES = (0.5, 0.1, 0.01, 0.001)
ALIVE = 0.7
CLUSTERS = 500
_CHUNK = 50_000

Mask = NDArray[np.bool_]
#: A name, and the filter of each query.
Family = tuple[str, Callable[[int], Mask]]


def families(mixed: Mixed, vectors: NDArray[np.floating], queries: NDArray[np.float32]) -> Iterator[Family]:
    """All kinds of filters."""
    rng = np.random.default_rng(3)
    masks = {f"random {share:.1%}": rng.random(len(vectors)) < share for share in SHARES}
    masks[f"dead, {ALIVE:.0%} live"] = rng.random(len(vectors)) < ALIVE
    for name, mask in masks.items():
        yield name, lambda _, mask=mask: mask  # type: ignore[misc]
    centres = mixed.real[rng.choice(len(mixed.real), min(CLUSTERS, len(mixed.real)), replace=False)]
    cluster = np.concatenate(
        [
            (np.asarray(vectors[start : start + _CHUNK], np.float32) @ centres.T).argmax(axis=1)
            for start in range(0, len(vectors), _CHUNK)
        ]
    )
    sizes = np.bincount(cluster, minlength=len(centres))
    order = np.argsort(queries @ centres.T, axis=1)
    for kind in ("far", "near"):
        for share in SHARES[:-1]:

            def admitted(query: int, share: float = share, kind: str = kind) -> Mask:
                rising = order[query] if kind == "far" else order[query][::-1]
                chosen = np.zeros(len(centres), np.bool_)
                chosen[rising[: 1 + int(np.searchsorted(sizes[rising].cumsum(), share * len(vectors)))]] = True
                found: Mask = chosen[cluster]
                return found

            yield f"{kind} {share:.1%}", admitted


def measured(
    name: str,
    search: Callable[[int, Mask | None], NDArray[Any]],
    scores: Callable[[int], NDArray[np.floating]],
    admitted: Callable[[int], Mask],
    queries: int,
) -> dict[str, float]:
    """Columns of the table for one arm: recall, milliseconds, and how many times those without a filter."""
    times: tuple[list[float], list[float]] = ([], [])
    shares = []
    for query in range(queries):
        mask = admitted(query)
        for place, asked in enumerate((None, mask)):
            search(query, asked)
            started = time.thread_time()
            rows = search(query, asked)
            times[place].append(time.thread_time() - started)
        assert mask[rows].all()
        exactly = np.where(mask, scores(query), -np.inf)
        best = min(BEST, int(np.count_nonzero(exactly > -1e9)))
        if best:
            least = np.partition(exactly, -best)[-best] - 1e-6
            shares.append(min(best, int(np.count_nonzero(exactly[rows] >= least))) / best)
    plain, filtered = (1e3 * float(np.median(one)) for one in times)
    return {
        f"{name} recall@10": round(float(np.mean(shares)), 3) if shares else float("nan"),
        f"{name} ms": round(filtered, 2),
        f"{name} without": round(plain, 2),
        f"{name} times": round(filtered / plain, 2),
    }


def vector_arm(
    vectors: NDArray[np.floating], search: Any, queries: NDArray[np.float32]
) -> tuple[Callable[[int, Mask | None], NDArray[Any]], Callable[[int], NDArray[np.floating]]]:
    """The search by vectors, and the true scores."""
    true = np.empty((len(queries), len(vectors)), np.float32)
    for start in range(0, len(vectors), _CHUNK):
        true[:, start : start + _CHUNK] = queries @ np.asarray(vectors[start : start + _CHUNK], np.float32).T

    def find(query: int, admitted: Mask | None) -> NDArray[Any]:
        rows: NDArray[Any] = search.nearest(queries[query : query + 1], DEPTH, admitted)[0].rows
        return rows

    return find, lambda query: true[query]


def word_arm(
    lexical: Lexical, texts: Sequence[str]
) -> tuple[Callable[[int, Mask | None], NDArray[Any]], Callable[[int], NDArray[np.floating]]]:
    """The search by words, and exact scores, -inf without any of the words."""
    terms = [terms_of(text) for text in texts]
    lengths = lexical.evidence(np.arange(lexical.forward.count), []).lengths.sum(axis=1)

    def find(query: int, admitted: Mask | None) -> NDArray[Any]:
        return lexical.candidates(terms[query], DEPTH, admitted=admitted)[0]

    def scores(query: int) -> NDArray[np.floating]:
        found = exact(lexical, texts[query], lengths)
        return np.where(found > 0, found, -np.inf)

    return find, scores


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path, help="folder of a real index")
    parser.add_argument("--passages", type=int, default=39_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="keep what is built here and use it next time")
    parser.add_argument("--arms", nargs="+", default=["vectors", "words"], choices=["vectors", "words"])
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        mixed = Mixed(options.index, options.passages)
        graph = options.passages > EXACT_UP_TO
        build(mixed, folder, graph=graph)
        vectors = map_vectors(folder / VECTORS)
        queries = mixed.queries(options.queries)
        arms = {}
        if "vectors" in options.arms:
            dim = vectors.shape[1]
            search = open_vectors(folder, "hnsw", len(vectors), dim, None) if graph else ExactVectors(vectors)
            arms["vectors"] = vector_arm(vectors, search, queries)
        if "words" in options.arms:
            arms["words"] = word_arm(Lexical.open(folder, len(vectors)), mixed.typed(options.queries))
        rows = []
        for kind, admitted in families(mixed, vectors, queries):
            row: dict[str, Any] = {"admitted": kind}
            for arm, (find, scores) in arms.items():
                row |= measured(arm, find, scores, admitted, options.queries)
            rows.append(row)
            print(row, flush=True)
    report(
        f"Filters over {options.passages:,} passages, {DEPTH} candidates an arm, {options.queries} queries",
        rows,
        json_path=options.json,
        vectors="graph" if graph else "exact",
    )


if __name__ == "__main__":
    main()
