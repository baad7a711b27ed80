"""Documents come, change and go while a server runs: how soon people see it, how fast it goes, and what keys pay.

    python -m benchmarks.changes --index DIR [visible] [writes] [load] [--workers 2] [--json PATH]

visible   documents are written one by one, and deleted again; each time, new connections search until one finds the
          document, or until none does any more. Counts from the answer to the write
writes    documents a second, in batches of 100, each batch on disk before it is answered: with vectors, and encoded by
          the server, beside ``build_index`` over the same documents in the same run
load      200 keys a second, without and with 50 documents a second that are written with their vectors, and with 50
          that the server encodes. So many documents are written before that a compaction begins halfway; the table says
          whether it ended in time

The index is copied first. The documents that are written are those of the index itself, under new ids, with their words
in another order, and with vectors that are its own ones turned a little.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import options, schedule
from benchmarks.load import OPEN_WARM_UP, Setup, Watch, answered, row
from benchmarks.loadgen import Fate
from benchmarks.machine import pinned
from benchmarks.servers import Running, typeahead_server
from benchmarks.typed import load_queries, load_traces
from typeahead.encoders.loading import load
from typeahead.errors import TypeaheadError
from typeahead.index import build_index, open_index
from typeahead.index.living import DUE_PASSAGES
from typeahead.index.vectors import VECTORS, map_vectors
from typeahead.tables import report
from typeahead.text.document import Document

SCENARIOS: Final = ("visible", "writes", "load")
TOKEN: Final = "benchmark"
#: Documents in a request.
BATCH: Final = 100
#: Seconds after which a write that nobody sees is an error.
_PATIENCE: Final = 30.0
#: How far a new vector lies from the one that it is made of.
_TURN: Final = 0.3


class Writer:
    """Writes documents to a server over HTTP."""

    def __init__(self, address: str) -> None:
        self._address = address

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request, as JSON unless it is bytes, and return its answer; repeats it while the server is full."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        while True:
            request = urllib.request.Request(self._address + path, data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=600) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    raise TypeaheadError(f"{method} {path}: {error.code} {error.read(500).decode()}") from None
                time.sleep(float(error.headers.get("Retry-After", 1)))

    def put(self, documents: Sequence[dict[str, Any]]) -> None:
        """Write some documents; raises :class:`~typeahead.errors.TypeaheadError` if one is refused."""
        self.put_bytes(json.dumps(list(documents)).encode(), len(documents))

    def put_bytes(self, data: bytes, count: int) -> None:
        """Write ``count`` documents that are JSON already."""
        answer = self.call("PUT", "/v1/documents", data)
        if answer["upserted"] != count:
            raise TypeaheadError(f"documents were refused: {answer['errors'][:3]}")

    def finds(self, text: str, wanted: str) -> bool:
        """Whether a search over a new connection finds a document."""
        answer = self.call("POST", "/v1/search", {"query": text, "k": 8})
        return any(hit["id"] == wanted for hit in answer["hits"])


class Documents:
    """New documents out of those of an index, as many as are asked for."""

    def __init__(self, folder: Path, seed: int) -> None:
        with open_index(folder) as index:
            rows = np.sort(np.random.default_rng(seed).permutation(len(index))[:5000])
            self._old = index.documents(rows.tolist())
            self._vectors = np.asarray(map_vectors(index.generation / VECTORS)[rows], np.float32)
        self._draw = np.random.default_rng(seed)
        self._made = 0

    def take(self, count: int) -> list[Document]:
        """Make documents: the words of old ones in another order."""
        made = []
        for _ in range(count):
            old = self._old[self._made % len(self._old)]
            words = self._draw.permutation(old.text.split()).tolist()
            made.append(Document(f"new {self._made}", f"{old.title} {self._made}".strip(), " ".join(words)))
            self._made += 1
        return made

    def vectors(self, count: int) -> list[list[float]]:
        """Make vectors of length 1."""
        vectors = self._vectors[self._draw.integers(len(self._vectors), size=count)]
        vectors = vectors + self._draw.standard_normal(vectors.shape) * (_TURN / np.sqrt(vectors.shape[1]))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [[round(value, 6) for value in vector] for vector in vectors.tolist()]

    def with_vectors(self, count: int) -> list[dict[str, Any]]:
        """Make documents with a vector each, as they are written over HTTP."""
        pairs = zip(self.take(count), self.vectors(count), strict=True)
        return [body(document) | {"vectors": [vector]} for document, vector in pairs]


def body(document: Document) -> dict[str, Any]:
    """A document as it is written over HTTP."""
    return {"id": document.id, "title": document.title, "text": document.text}


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of an index, until the measurement is over."""
    with tempfile.TemporaryDirectory(prefix="typeahead-changes-", dir=folder.parent) as place:
        copy = Path(place) / "index"
        shutil.copytree(folder, copy)
        yield copy


def visible(writer: Writer, documents: Documents, number: int) -> dict[str, Any]:
    """How soon new connections find what was written, and no longer find what was deleted."""
    seen, gone = [], []
    for document in documents.take(number):
        word = f"zq{document.id.split()[-1]}xv"
        written = body(document) | {"title": f"{document.title} {word}"}
        writer.put([written])
        seen.append(_until(lambda word=word, one=document.id: writer.finds(word, one)))
        writer.call("POST", "/v1/documents/delete", {"ids": [document.id]})
        # Every worker must have seen it, and a connection reaches any of them.
        gone.append(_until(lambda word=word, one=document.id: not any(writer.finds(word, one) for _ in range(4))))
    return {
        f"{what}_ms": ", ".join(f"p{share} {np.percentile(times, share):.0f}" for share in (50, 99))
        for what, times in (("written_until_found", seen), ("deleted_until_not_found", gone))
    }


def _until(done: Any) -> float:
    """Milliseconds until something is the case."""
    started = time.perf_counter()
    while not done():
        if time.perf_counter() - started > _PATIENCE:
            raise TypeaheadError(f"a write was not seen for {_PATIENCE:g} seconds")
    return 1000 * (time.perf_counter() - started)


def writes(writer: Writer, documents: Documents, batches: int, encoder: str) -> dict[str, Any]:
    """Documents a second: given with vectors, encoded by the server, and built into an index of their own."""
    # Writing 38,400 numbers as JSON takes the client 9 ms, in which the server has nothing to do.
    bodies = [json.dumps(documents.with_vectors(BATCH)).encode() for _ in range(batches)]
    given = [_seconds(lambda data=data: writer.put_bytes(data, BATCH)) for data in bodies]
    texts = [documents.take(BATCH) for _ in range(max(2, batches // 10))]
    encoded = [_seconds(lambda part=part: writer.put(list(map(body, part)))) for part in texts]
    with tempfile.TemporaryDirectory() as place:
        passages = load(encoder)
        every = [document for part in texts for document in part]
        alone = _seconds(lambda: build_index(every, Path(place) / "index", passages, backend="exact"))
    rates = {"given": BATCH / statistics.median(given), "encoded": BATCH * len(texts) / sum(encoded)}
    built = len(every) / alone
    return {
        "documents/s with vectors": round(rates["given"]),
        "documents/s encoded": round(rates["encoded"]),
        "documents/s of build_index": round(built),
        "encoded, of build_index %": round(100 * rates["encoded"] / built),
        "a batch with vectors, p99 ms": round(1000 * float(np.percentile(given, 99))),
    }


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Writing(threading.Thread):
    """Writes ``rate`` documents a second, ten times a second, until it is stopped."""

    def __init__(self, writer: Writer, documents: Documents, rate: float, *, vectors: bool) -> None:
        super().__init__(daemon=True)
        self._writer, self._documents, self._rate, self._vectors = writer, documents, rate, vectors
        self._stop_now = threading.Event()
        self.written = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        """Write."""
        started = time.monotonic()
        try:
            while not self._stop_now.wait(max(0.0, started + self.written / self._rate - time.monotonic())):
                count = max(1, round(self._rate / 10))
                part = self._documents.with_vectors(count) if self._vectors else self._documents.take(count)
                self._writer.put([one if isinstance(one, dict) else body(one) for one in part])
                self.written += count
        except Exception as error:
            self.failure = error

    def stop(self) -> None:
        """Stop after the present batch; raises what went wrong."""
        self._stop_now.set()
        self.join()
        if self.failure is not None:
            raise self.failure


def load_lines(
    setup: Setup, keys: float, seconds: float, rate: float, people: int, documents: Documents
) -> list[dict[str, Any]]:
    """Keys under three kinds of writing, each on a server of its own."""
    lines = []
    for what, vectors in (("no writing", None), (f"{rate:g} with vectors/s", True), (f"{rate:g} encoded/s", False)):
        texts = setup.texts(people)
        plan = schedule.constant(keys, seconds, people)
        with setup.server() as server, setup.client(server, texts) as generator:
            generator.open_loop(*schedule.constant(min(1000.0, 10 * people), OPEN_WARM_UP, people, seed=1))
            writer = Writer(server.address)
            if vectors is not None:
                for _ in range(int(DUE_PASSAGES - rate * seconds / 2) // BATCH):
                    writer.put(documents.with_vectors(BATCH))
            before = writer.call("GET", "/v1/index")
            writing = None if vectors is None else Writing(writer, documents, rate, vectors=vectors)
            if writing is not None:
                with pinned(setup.client_cores):
                    writing.start()
            watch = Watch(server)
            outcome = generator.open_loop(*plan, patience=10.0)
            shares = watch.shares()
            if writing is not None:
                writing.stop()
            after = writer.call("GET", "/v1/index")
            line = row(what, people, outcome, rate=answered(outcome), shares=shares, server=server)
            line["documents written/s"] = 0 if writing is None else round(writing.written / seconds, 1)
            line["compacted"] = "yes" if after["generation"] != before["generation"] else "no"
            line["lost"] = outcome.count(Fate.UNANSWERED)
            lines.append(line)
    return lines


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = options.parser("changes", __doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}; all by default")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--workers", type=options.whole, default=1)
    parser.add_argument("--number", type=options.whole, default=100, help="documents of visible (100)")
    parser.add_argument("--batches", type=options.whole, default=50, help="batches of writes with vectors (50)")
    parser.add_argument("--keys", type=options.positive, default=200.0, help="keys a second of load (200)")
    parser.add_argument("--rate", type=options.positive, default=50.0, help="documents a second of load (50)")
    parser.add_argument("--seconds", type=options.positive, default=60.0, help="length of each load (60)")
    parser.add_argument("--people", type=options.whole, default=40, help="connections of load (40)")
    parser.add_argument("--passage-encoder", default="minilm-doc")
    parser.add_argument("--server-option", action="append", default=[], metavar="OPTION")
    options.add_cores(parser)
    options.add_typing(parser)
    chosen = parser.parse_args(arguments)
    if unknown := sorted(set(chosen.scenarios) - set(SCENARIOS)):
        parser.error(f"unknown scenario {', '.join(unknown)}: choose from {', '.join(SCENARIOS)}")
    scenarios = chosen.scenarios or list(SCENARIOS)
    os.environ["TYPEAHEAD_WRITE_TOKEN"] = TOKEN
    table: list[dict[str, Any]] = []
    facts: dict[str, Any] = {"index": chosen.index.name, "workers": chosen.workers}
    documents = Documents(chosen.index, seed=1)
    serve = ("--workers", str(chosen.workers), *chosen.server_option)
    every = chosen.server_cores | chosen.client_core
    for name in ("visible", "writes"):
        if name in scenarios:
            with copied(chosen.index) as folder, _server(folder, every, serve) as server:
                writer = Writer(server.address)
                if name == "visible":
                    facts |= visible(writer, documents, chosen.number)
                else:
                    facts |= writes(writer, documents, chosen.batches, chosen.passage_encoder)
    if "load" in scenarios:
        traces, facts["typing"] = load_traces(chosen.traces)
        queries, facts["queries"] = load_queries(chosen.queries, 20_000)
        with copied(chosen.index) as folder:
            setup = Setup(every, chosen.client_core, traces, queries, folder, serve)
            table = load_lines(setup, chosen.keys, chosen.seconds, chosen.rate, chosen.people, documents)
    report("Documents change while people type", table, json_path=chosen.json, **facts)


@contextmanager
def _server(folder: Path, cores: frozenset[int], serve: Sequence[str]) -> Iterator[Running]:
    with typeahead_server(
        cores=cores, index=folder, encoder="minilm-causal", options=(*serve, "--passage-encoder", "minilm-doc")
    ) as running:
        yield running


if __name__ == "__main__":
    options.run(main)
