"""Tables for tests: those that ``typeahead index`` makes, and those of somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from typeahead.core.encoder import Vectors
from typeahead.engines.postgres.address import read_address
from typeahead.engines.postgres.creating import create, index, notify, table_of
from typeahead.engines.postgres.database import connect
from typeahead.search.space import Space
from typeahead.text.document import Document

#: Parameters of an address for vectors that no encoder made.
STRANGE = {"teacher": "test", "unverified": "yes"}


def written(vector: Sequence[float]) -> str:
    """A vector as text."""
    return "[" + ",".join(map(repr, map(float, vector))) + "]"


async def make_table(address: str, dim: int) -> None:
    """Make the table of an address as ``typeahead index`` does."""
    read = read_address(address, ["host"])
    space = Space("test", None, dim, "cosine")
    async with await connect(read.conninfo) as connection:
        await create(connection, table_of(read), space, normalized=True)
        await index(connection, table_of(read), space)
        await notify(connection, table_of(read))


def fill_articles(run: Callable[..., object], documents: Sequence[Document], vectors: Vectors, name: str) -> None:
    """Make a table as somebody else might have it: other names, types of their own, a graph of half-precision."""
    dim = vectors.shape[1]
    run(
        f"CREATE TABLE {name} (slug varchar(80) PRIMARY KEY, headline text, body text, link text, year int,"
        f" tags text[], odd boolean, a double precision, embedding vector({dim}), words tsvector)"
    )
    for document, vector in zip(documents, vectors, strict=True):
        fields = document.fields
        run(
            f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                document.id,
                document.title,
                document.text,
                document.url,
                *(fields.get(field) for field in ("year", "tags", "odd", "a")),
                written(vector),
            ],
        )
    run(f"CREATE INDEX ON {name} USING hnsw (embedding vector_cosine_ops)")


def fill_objects(run: Callable[..., object], documents: Sequence[Document], vectors: Vectors, name: str) -> None:
    """Make a table with fields in a column of JSON, and vectors in half precision without an index."""
    run(f"CREATE TABLE {name} (id text PRIMARY KEY, title text, content text, url text, metadata jsonb,"
        f" embedding vector({vectors.shape[1]}))")  # fmt: skip
    for document, vector in zip(documents, vectors, strict=True):
        values = [document.id, document.title, document.text, document.url, json.dumps(dict(document.fields))]
        run(f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s, %s)", [*values, written(vector)])
