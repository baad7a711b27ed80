"""Puts an index into tables of several PostgreSQL servers, each document into one of them by a hash of its id.

:mod:`benchmarks.parts` measures with them. The servers' data stay in a folder for the next time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import psycopg

from benchmarks.postgres_server import PostgresServer
from typeahead.engines.parts.placing import part_of
from typeahead.index import open_index
from typeahead.index.vectors import VECTORS, map_vectors

#: Memory as a small server would be given it. A graph is built within it, by two processes.
SETTINGS: Final = {
    "shared_buffers": "768MB",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "2",
    "min_parallel_table_scan_size": "1MB",
    "fsync": "off",
    "autovacuum": "off",
}
_TABLE: Final = "CREATE TABLE articles (id text PRIMARY KEY, title text, body text, embedding halfvec({}))"
_COPY: Final = "COPY articles FROM STDIN (FORMAT BINARY)"
#: Documents that are read at a time.
_CHUNK: Final = 10_000
#: Candidates that a graph keeps as it is built. pgvector's own 64 are too few for a million passages.
_EF_CONSTRUCTION: Final = 200
#: Files that say that a server has the rows, and the graph.
_COPIED, _DONE = "copied", f"graph-{_EF_CONSTRUCTION}"


def servers(folder: Path, number: int) -> list[PostgresServer]:
    """The servers whose data are in a folder, or will be; none of them is started."""
    return [PostgresServer(SETTINGS, folder=folder / f"part-{place}-of-{number}") for place in range(number)]


def fill(index: Path, parts: Sequence[PostgresServer]) -> dict[str, float]:
    """Fill the tables ``articles`` of servers that run, as far as they are not; returns the seconds that it took."""
    begun = time.perf_counter()
    if not all((part.folder / _COPIED).exists() for part in parts):
        _copy(index, parts)
    copied = time.perf_counter()
    for part in parts:
        if not (part.folder / _DONE).exists():
            with psycopg.connect(part.address(), autocommit=True) as connection:
                connection.execute("DROP INDEX IF EXISTS graph")
                connection.execute(
                    "CREATE INDEX graph ON articles USING hnsw (embedding halfvec_cosine_ops)"
                    f" WITH (ef_construction = {_EF_CONSTRUCTION})"
                )
                connection.execute("VACUUM ANALYZE articles")
            (part.folder / _DONE).touch()
    return {"copy s": copied - begun, "graphs s": time.perf_counter() - copied}


def _copy(index: Path, parts: Sequence[PostgresServer]) -> None:
    with ExitStack() as stack, open_index(index) as opened:
        connections = [stack.enter_context(psycopg.connect(part.address(), autocommit=True)) for part in parts]
        vectors = map_vectors(opened.generation / VECTORS)
        for connection in connections:
            connection.execute("DROP TABLE IF EXISTS articles")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(_TABLE.format(vectors.shape[1]))
        for start in range(0, len(opened), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(opened)))
            documents = list(opened.documents(rows))
            header = vectors.shape[1].to_bytes(2) + bytes(2)
            sent = [header + one.tobytes() for one in vectors[rows.start : rows.stop].astype(">f2")]
            places = [part_of(document.id, len(parts)) for document in documents]
            for place, connection in enumerate(connections):
                with connection.cursor().copy(_COPY) as copy:
                    for at in np.flatnonzero(np.array(places) == place).tolist():
                        one = documents[at]
                        copy.write_row((one.id, one.title, one.text, sent[at]))
    for part in parts:
        (part.folder / _COPIED).touch()
