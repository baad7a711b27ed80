"""Search over many vectors: how long one query takes, how much it finds, and what building and opening cost.

    python -m benchmarks.search_scale [--vectors 1000000] [--data DIR] [--folder DIR] [--compare SPEC …]

The collection is every line of ``train_queries.tsv`` and ``train_texts.tsv`` (up to ``--vectors``), encoded by the
shipped student, without 1,000 queries that are held out. Those 1,000 are the queries, whole and cut at a random place,
as a box sees them while they are typed. Without the data, clustered random vectors take its place, and the table says
so. Recall is the share of the true 10 best, from a matrix product over all vectors, among the 10 found.

The index is made by ``adopt_index``, then opened and searched as a server does it: one thread, one query at a time,
documents included. Opening is timed *cold*, after the kernel was told to forget the files, and *warm*. The same index
is searched with several numbers of candidates. Searching in batches tells how much of the time is FAISS and how much is
everything else, part of which holds Python's lock.

``--compare`` builds other structures over the same vectors with FAISS alone and rescores their candidates in the same
way: ``hnsw:M:CANDIDATES:CODES`` (codes such as QT_8bit, QT_fp16), or a FAISS factory string, searched at several
``nprobe``. Encoding a million lines takes one core two minutes, the graph five; ``--folder`` keeps both for the next
time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import typeahead
from benchmarks.search import points
from benchmarks.typed import DATA
from typeahead.evaluate.vectors.search import search as exact_search
from typeahead.index import Document, Index, Manifest, Teacher, adopt_index, open_index
from typeahead.index.approximate import import_faiss, map_faiss, read_faiss
from typeahead.index.vectors import map_vectors
from typeahead.tables import markdown, report

K = 10
HELD_OUT = 1000
CANDIDATES = (64, 96, 128, 192, 256, 384)
BATCHES = (1, 4, 16)
#: Candidates to rescore from structures without a setting for their number.
_RESCORED = 100
_CHUNK = 4096

Matrix = NDArray[np.float32]
Rows = NDArray[np.int64]
Row = dict[str, Any]


def lines(data: Path) -> list[str]:
    """Texts of the collection, queries first."""
    texts: list[str] = []
    for name in ("train_queries.tsv", "train_texts.tsv"):
        with (data / name).open(encoding="utf-8") as file:
            texts += [line.rstrip("\n").partition("\t")[2] for line in file]
    return texts


def cut(query: str, rng: random.Random) -> str:
    """Cut a query as if it were still being typed."""
    return query[: max(2, int(len(query) * rng.uniform(0.2, 0.95)))]


class Collection:
    """Vectors, queries, half-typed queries and documents, kept in a folder. Missing files are made."""

    def __init__(self, folder: Path, data: Path, count: int) -> None:
        self.vectors_file = folder / f"vectors-{count}.npy"
        self._texts: list[str] = []
        queries_file = folder / f"queries-{count}.npy"
        self.real = (data / "train_texts.tsv").is_file()
        encoder = typeahead.load("minilm-gru") if self.real else None
        if self.real:
            texts = lines(data)
            step = max(1, min(len(texts), 500_000) // HELD_OUT)
            held = range(step // 2, step * HELD_OUT, step)
            queries = [texts[row] for row in held]
            out = set(held)
            self._texts = [text for row, text in enumerate(texts) if row not in out][:count]
            count = len(self._texts)
        self.count = count
        if not self.vectors_file.is_file():
            if encoder is None:
                vectors, asked = points(count, 384, 2 * HELD_OUT)
            else:
                rng = random.Random(0)
                asked = encoder.encode(queries + [cut(query, rng) for query in queries])
                vectors = np.empty((count, encoder.dim), np.float32)
                for start in range(0, count, _CHUNK):
                    vectors[start : start + _CHUNK] = encoder.encode(self._texts[start : start + _CHUNK])
            np.save(queries_file, asked)
            np.save(self.vectors_file, vectors)
        self.vectors = np.load(self.vectors_file, mmap_mode="r")
        self.queries: Matrix = np.load(queries_file)
        self.dim = self.vectors.shape[1]
        truth_file = folder / f"truth-{count}.npy"
        if not truth_file.is_file():
            np.save(truth_file, exact_search(self.queries, self, K, threads=1)[0])
        self.truth: Rows = np.load(truth_file)

    def shards(self) -> Iterator[tuple[int, NDArray[np.floating[Any]]]]:
        """All vectors at once, for the exact search."""
        yield 0, np.asarray(self.vectors)

    def documents(self) -> Iterator[Document]:
        """One document for each vector."""
        for row in range(self.count):
            yield Document(str(row), "", self._texts[row] if self.real else f"vector {row}")


def own_megabytes() -> int:
    """Resident megabytes of this process, without the files that it maps."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) >> 10


def forget(folder: Path) -> None:
    """Make the kernel drop the files in ``folder`` from its cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def recall(found: list[list[int]], truth: Rows) -> float:
    """Share of the true rows that were found."""
    return sum(len(set(rows) & set(true.tolist())) for rows, true in zip(found, truth, strict=True)) / truth.size


def measured(find: Callable[[Matrix], list[int]], collection: Collection) -> Row:
    """Columns of a table: milliseconds of one query, and recall for whole and half-typed queries."""
    times, found = [], []
    for query in collection.queries:
        started = time.perf_counter()
        rows = find(query[None])
        times.append(time.perf_counter() - started)
        found.append(rows)
    return {
        "p50 ms": 1e3 * float(np.median(times)),
        "p99 ms": 1e3 * float(np.percentile(times, 99)),
        "recall@10": recall(found[:HELD_OUT], collection.truth[:HELD_OUT]),
        "half-typed": recall(found[HELD_OUT:], collection.truth[HELD_OUT:]),
    }


def rows_of(index: Index) -> Callable[[Matrix], list[int]]:
    """A search of an index that returns row numbers."""
    return lambda query: [int(hit.id) for hit in index.search(query, K)[0]]


def built(collection: Collection, folder: Path, facts: Row) -> None:
    """Adopt the vectors unless that was done before. A file beside the index keeps the cost."""
    costs = folder.with_suffix(".json")
    if not costs.is_file():
        started, spent, before = time.perf_counter(), time.process_time(), own_megabytes()
        seconds: dict[str, float] = {}
        most = before

        def progress(stage: str, done: int, total: int | None) -> None:
            nonlocal most
            del done, total
            seconds[stage] = time.perf_counter() - started
            most = max(most, own_megabytes())

        adopt_index(
            collection.vectors_file,
            collection.documents(),
            folder,
            teacher=Teacher("benchmark"),
            unverified=True,
            backend="hnsw",
            progress=progress,
            warn=print,
        )
        measured_costs = {
            "build_seconds": round(time.perf_counter() - started),
            "build_processor_seconds": round(time.process_time() - spent),
            "of_these_the_graph_by_the_clock": round(seconds["graph"] - seconds["copy"]),
            "memory_of_the_build_MB": most - before,
        }
        costs.write_text(json.dumps(measured_costs))
    facts |= json.loads(costs.read_text())
    facts["files_MB"] = {path.name: path.stat().st_size >> 20 for path in sorted(folder.glob("generation-*/*"))}


def opened(folder: Path, collection: Collection) -> list[Row]:
    """Seconds to open the index and milliseconds of the first searches, cold and warm."""
    found = []
    for name in ("cold", "warm"):
        if name == "cold":
            forget(folder)
        started = time.perf_counter()
        with open_index(folder) as index:
            took = time.perf_counter() - started
            times = []
            for query in collection.queries[:HELD_OUT:2]:
                before = time.perf_counter()
                index.search(query[None], K)
                times.append(1e3 * (time.perf_counter() - before))
        found.append(
            {
                "files": name,
                "open s": took,
                "first search ms": times[0],
                "mean of 2-50": float(np.mean(times[1:50])),
                "p50 of 51-500": float(np.median(times[50:])),
                "p99 of 51-500": float(np.percentile(times[50:], 99)),
            }
        )
    return found


def graph_opened(graph: Path) -> list[Row]:
    """Seconds that FAISS takes to open the graph in three ways, with the file cached and not."""
    faiss = import_faiss()
    ways: dict[str, Callable[[], Any]] = {
        "read into memory": lambda: read_faiss(graph),
        "mapped": lambda: faiss.read_index(str(graph), faiss.IO_FLAG_MMAP_IFC),
        "read through, then mapped (chosen)": lambda: map_faiss(graph),
    }
    found = []
    for name, way in ways.items():
        row: Row = {"the graph": name}
        for files in ("cold s", "warm s"):
            if files == "cold s":
                forget(graph.parent)
            started = time.perf_counter()
            way()
            row[files] = time.perf_counter() - started
        found.append(row)
    return found


class _Timed:
    """A FAISS index that times its searches."""

    def __init__(self, index: Any) -> None:
        self.seconds = 0.0
        self._index = index

    def search(self, *arguments: Any, **options: Any) -> Any:
        """Search, and add up the seconds."""
        started = time.perf_counter()
        try:
            return self._index.search(*arguments, **options)
        finally:
            self.seconds += time.perf_counter() - started


def batched(folder: Path, collection: Collection) -> list[Row]:
    """Microseconds a query in batches: the graph and everything else. The second of two rounds counts."""
    found = []
    with open_index(folder) as index:
        graph = index._vectors._graph = _Timed(index._vectors._graph)  # type: ignore[attr-defined]
        for size in BATCHES:
            for _ in range(2):
                graph.seconds, started = 0.0, time.perf_counter()
                for start in range(0, len(collection.queries) - size + 1, size):
                    index.search(collection.queries[start : start + size], 8)
                total = time.perf_counter() - started
            queries = len(collection.queries) // size * size
            found.append(
                {
                    "queries a call": size,
                    "us a query": 1e6 * total / queries,
                    "FAISS": 1e6 * graph.seconds / queries,
                    "all else": 1e6 * (total - graph.seconds) / queries,
                }
            )
    return found


def compared(spec: str, collection: Collection, folder: Path) -> list[Row]:
    """Lines of the table for another structure over the same vectors."""
    faiss = import_faiss()
    faiss.omp_set_num_threads(1)
    path = folder / f"{spec.replace(':', '-').replace(',', '-')}.faiss"
    costs = path.with_suffix(".json")
    if not costs.is_file():
        started = time.process_time()
        if spec.startswith("hnsw:"):
            _, links, candidates, codes = spec.split(":")
            index = faiss.IndexHNSWSQ(
                collection.dim, getattr(faiss.ScalarQuantizer, codes), int(links), faiss.METRIC_INNER_PRODUCT
            )
            index.hnsw.efConstruction = int(candidates)
            every = max(1, collection.count // 50_000)
        else:
            index = faiss.index_factory(collection.dim, spec, faiss.METRIC_INNER_PRODUCT)
            every = max(1, collection.count // 200_000)
        index.train(np.ascontiguousarray(collection.vectors[::every]))
        for start in range(0, collection.count, _CHUNK):
            index.add(np.asarray(collection.vectors[start : start + _CHUNK]))
        faiss.write_index(index, str(path))
        costs.write_text(json.dumps(round(time.process_time() - started)))
    index = map_faiss(path)
    vectors = np.asarray(map_vectors(collection.vectors_file))
    found = []
    for width in CANDIDATES if spec.startswith("hnsw:") else (16, 32, 64, 128):
        if spec.startswith("hnsw:"):
            options = {"params": faiss.SearchParametersHNSW(efSearch=width)}
        else:
            faiss.extract_index_ivf(index).nprobe = width
            options = {}

        def find(query: Matrix, options: Any = options) -> list[int]:
            labels = index.search(query, _RESCORED if not options else 26, **options)[1][0]
            labels = labels[labels >= 0]
            best: list[int] = labels[np.argsort(-(vectors[labels] @ query[0]), kind="stable")[:K]].tolist()
            return best

        size = {"build, processor s": json.loads(costs.read_text()), "MB": path.stat().st_size >> 20}
        found.append({"structure": spec, "candidates": width} | size | measured(find, collection))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of real data, by default $TYPEAHEAD_DATA (benchmarks/data.md)"
    )
    parser.add_argument("--folder", type=Path, help="keep vectors and indexes here and reuse them next time")
    parser.add_argument("--compare", nargs="+", default=[], metavar="SPEC", help="other structures to compare with")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        collection = Collection(folder, options.data, options.vectors)
        facts: Row = {"vectors": "real text" if collection.real else "SYNTHETIC: no data at --data"}
        place = folder / f"index-{collection.count}"
        built(collection, place, facts)
        usual = Manifest.read(place).search_candidates
        facts["candidates_by_default"] = usual
        # This comes first, because the kernel does not drop files that a process maps.
        parts = {"opening the graph": graph_opened(next(place.glob("generation-*/graph.faiss")))}
        parts["opening the index"] = opened(place, collection)
        rows: list[Row] = []
        for candidates in CANDIDATES:
            with open_index(place, search_candidates=candidates) as index:
                find = rows_of(index)
                for query in collection.queries:
                    find(query[None])
                rows.append({"structure": "typeahead", "candidates": candidates} | measured(find, collection))
        for spec in options.compare:
            rows += compared(spec, collection, folder)
        parts["batches"] = batched(place, collection)
        for part, table in parts.items():
            print(f"{part}\n\n{markdown(table)}\n")
        title = f"{collection.count:,} vectors, {collection.dim} dimensions, top {K}, one query at a time, one thread"
        report(title, rows, json_path=options.json, **facts)
        if options.json is not None:
            figures = json.loads(options.json.read_text(encoding="utf-8")) | parts
            options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    chosen = next((row for row in rows if row["candidates"] == usual), None)
    if chosen is None or chosen["p50 ms"] > 2 or min(chosen["recall@10"], chosen["half-typed"]) < 0.95:
        sys.exit("missed the bar: p50 <= 2 ms at recall@10 >= 0.95")


if __name__ == "__main__":
    main()
