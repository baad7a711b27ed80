"""Tables of somebody else: found by looking, taken as they are, and refused with one line that says why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from tests.engines.postgres.tables import STRANGE, fill_articles, written
from tests.search.contract_oracles import DIM, ask, asked, documents, later, unit_vectors
from typeahead.core.encoder import Vectors
from typeahead.encoders.transformer import TransformerEncoder
from typeahead.engines.postgres.backend import PostgresBackend
from typeahead.engines.postgres.hot import HotBackend
from typeahead.errors import AddressError
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Equal
from typeahead.search.port import Backend, Key, Request
from typeahead.search.ranking import find

TEXTS = [f"How to boil {what} for {minutes} minutes" for what in ("eggs", "rice", "tea") for minutes in range(8)]

Address = Callable[..., str]


@pytest.fixture
def address(server: PostgresServer, schema: str) -> Address:
    return lambda name="t", **more: server.address(table=f"{schema}.{name}", **more)


@asynccontextmanager
async def opened(address: str, told: list[str] | None = None) -> AsyncIterator[Backend]:
    backend = await open_backend(address, OpenOptions(warn=(told if told is not None else []).append))
    yield backend
    await backend.close()


def fill(run: Run, columns: str, rows: Sequence[Sequence[object]], more: str = "") -> None:
    run(f"CREATE TABLE t ({columns}){more}")
    for row in rows:
        run(f"INSERT INTO t VALUES ({', '.join(['%s'] * len(row))})", row)


def vectors(count: int, dim: int = DIM) -> Vectors:
    found: Vectors = np.random.default_rng(count).standard_normal((count, dim)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


async def test_nothing_is_altered_by_opening_searching_and_closing(
    server: PostgresServer, address: Address, run: Run
) -> None:
    held = documents(fields=True)
    fill_articles(run, held, unit_vectors(len(held), 1), "t")
    before = server.dump()
    async with opened(address(**STRANGE)) as backend:
        await find(backend, [Request(unit_vectors(1, 2)[0], asked("eggs"), 8)], later())
    assert server.dump() == before


@pytest.mark.parametrize(
    ("kind", "index", "found"),
    [
        ("vector", "USING hnsw (embedding vector_cosine_ops)", "hnsw <=>"),
        ("vector", "USING hnsw (embedding vector_ip_ops)", "hnsw <#>"),
        ("vector", "USING hnsw (embedding vector_l2_ops)", "hnsw <->"),
        ("vector", "USING ivfflat (embedding vector_cosine_ops) WITH (lists = 4)", "ivfflat <=>"),
        ("halfvec", "USING hnsw (embedding halfvec_cosine_ops)", "hnsw <=>"),
        ("vector", f"USING hnsw ((embedding::halfvec({DIM})) halfvec_l2_ops)", "hnsw <->"),
        ("vector", "", ""),
    ],
)
async def test_whatever_index_is_there_is_used_and_finds_the_nearest(
    address: Address, run: Run, kind: str, index: str, found: str
) -> None:
    held = vectors(3000)
    run(f"CREATE TABLE t (id bigserial PRIMARY KEY, body text, embedding {kind}({DIM}))")
    run("INSERT INTO t (body, embedding) SELECT 'word ' || n, v::text::vector FROM unnest(%s::text[])"
        " WITH ORDINALITY AS x(v, n)", [[written(one) for one in held]])  # fmt: skip
    if index:
        run(f"CREATE INDEX ON t {index}")
    run("ANALYZE t")
    told: list[str] = []
    async with opened(address(hot="no", **STRANGE), told) as backend:
        assert isinstance(backend, PostgresBackend)
        chosen = backend._table.statements.index
        assert (f"{chosen.kind} {chosen.operator}" if chosen else "") == found
        assert any("CREATE INDEX" in line for line in told) == (not index)
        hits = 0
        for query in vectors(20, DIM):
            nearest = await ask(backend, Request(query, None, 10))
            exact = held @ query
            places = [int(key.document) - 1 for key in nearest.keys[:10]]
            assert nearest.similarities == pytest.approx(exact[places], abs=2e-3 if kind == "halfvec" else 1e-5)
            hits += len(set(places) & set(np.argsort(-exact)[:10].tolist()))
        # IVFFlat probes one list of four; iterative scans go on only where rows are missing.
        assert hits >= (60 if "ivfflat" in found else 180)


async def test_columns_of_usual_names_and_types_are_found(address: Address, run: Run) -> None:
    columns = (
        "uuid uuid PRIMARY KEY, name text, content text, href text, price numeric, day date, seen timestamptz,"
        f" flags bool[], meta jsonb, raw bytea, v vector({DIM})"
    )
    key = "0b0e7a9e-6a4b-4f57-8f0a-1d2f3c4b5a69"
    row: list[object] = [
        key,
        "Tea",
        "hot water",
        "/tea",
        "2.50",
        "2024-02-29",
        "2024-02-29 12:30:05.7+02",
        [True, False],
    ]
    fill(run, columns, [[*row, '{"author": "me", "deep": {"a": 1}}', b"x", written(vectors(1)[0])]])
    async with opened(address(**STRANGE)) as backend:
        documents = backend.capabilities.documents
        assert documents is not None
        (document,) = (await documents([key, "not a uuid", "7"])).values()
        assert (document.title, document.text, document.url) == ("Tea", "hot water", "/tea")
        assert dict(document.fields) == {
            "price": 2.5,
            "day": "2024-02-29",
            "seen": "2024-02-29T10:30:05Z",
            "flags": [True, False],
            "author": "me",
        }
        for tree in (Equal("day", "2024-02-29"), Equal("price", 2.5), Equal("flags", False), Equal("author", "me")):
            found = await ask(backend, Request(vectors(1)[0], None, 3, filter=tree))
            assert list(found.keys) == [Key(key)]


async def test_rows_with_something_missing_are_left_out_and_counted(address: Address, run: Run) -> None:
    rows: list[list[object]] = [
        [1, "one", written(vectors(1)[0])],
        [2, None, written(vectors(1)[0])],
        [3, "three", None],
    ]
    fill(run, f"id int PRIMARY KEY, text text, v vector({DIM})", rows)
    told: list[str] = []
    async with opened(address(**STRANGE), told) as backend:
        assert backend.count == 1
        assert len((await ask(backend, Request(vectors(1)[0], asked("one three"), 5))).keys) == 1
    assert any("2 rows are left out" in line for line in told)


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        (None, {}, "there is no table"),
        ("id int PRIMARY KEY, text text", {}, "has no column of the type vector or halfvec"),
        ("id int PRIMARY KEY, text text, a vector(3), b vector(3)", {}, "several columns of vectors: add &vector=NAME"),
        ("id int PRIMARY KEY, text text, v vector(3)", {"vector": "text"}, "column text holds no vectors"),
        ("text text, v vector(3)", {}, "has no key of one column: .*&id=NAME"),
        ("id int PRIMARY KEY, v vector(3)", {}, "has no column of text: name one with &text=COLUMN"),
        (
            "id int PRIMARY KEY, text text, v vector(3)",
            {"title": "x"},
            "has no column 'x' for title: it has id, text, v",
        ),
        ("id int PRIMARY KEY, text text, v vector(3)", {"fields": "v"}, "column v cannot be a field"),
        ("id int PRIMARY KEY, text text, v vector(3)", {}, "have 3 dimensions, and those of .* 384: .*encoder=MODEL"),
        ("id int PRIMARY KEY, text text, v vector", {}, "has no vectors: fill column v first"),
    ],
)
async def test_a_table_that_cannot_serve_is_refused_in_one_line(
    address: Address, run: Run, columns: str | None, more: dict[str, str], message: str
) -> None:
    if columns is not None:
        run(f"CREATE TABLE t ({columns})")
    with pytest.raises(AddressError, match=message) as caught:
        await open_backend(address(**more), OpenOptions())
    assert "\n" not in str(caught.value)


async def test_a_sample_of_the_vectors_is_compared_with_the_encoder(
    address: Address, run: Run, passage_encoder: TransformerEncoder
) -> None:
    right = passage_encoder.encode(TEXTS)
    fill(run, "id int PRIMARY KEY, text text, v vector(384)", [[n, t, written(v)] for n, (t, v) in
         enumerate(zip(TEXTS, right, strict=True))])  # fmt: skip
    told: list[str] = []
    async with opened(address(), told) as backend:
        assert backend.space.teacher == passage_encoder.config.teacher.name
        assert not any("nobody" in line for line in told)
    run("UPDATE t SET v = (SELECT v FROM t AS other WHERE other.id = (t.id + 11) %% 24)".replace("%%", "%"))
    with pytest.raises(AddressError, match="are not those that minilm-doc makes of its texts"):
        await open_backend(address(), OpenOptions())
    async with opened(address(unverified="yes"), told):
        assert any("nobody has checked" in line for line in told)


async def test_a_role_without_rights_and_a_missing_extension_are_told(
    server: PostgresServer, address: Address, run: Run, schema: str
) -> None:
    fill(run, f"id int PRIMARY KEY, text text, v vector({DIM})", [])
    run(f"CREATE ROLE {schema}_role LOGIN")
    run(f"GRANT USAGE ON SCHEMA {schema} TO {schema}_role")
    try:
        with pytest.raises(AddressError, match=r"the role may not read .*: GRANT SELECT ON"):
            await open_backend(address(user=f"{schema}_role", **STRANGE), OpenOptions())
    finally:
        run(f"DROP OWNED BY {schema}_role")
        run(f"DROP ROLE {schema}_role")
    with pytest.raises(AddressError, match="no extension vector: CREATE EXTENSION vector"):
        await open_backend(server.address("template1", table="t"), OpenOptions())


async def test_a_database_that_cannot_be_reached_is_told(server: PostgresServer) -> None:
    with pytest.raises(AddressError, match="the database cannot be reached"):
        await open_backend(server.address("no_such_database", table="t"), OpenOptions())


async def test_a_scan_without_words_searches_vectors_and_counts_rows(address: Address, run: Run) -> None:
    held = documents(fields=True)
    fill_articles(run, held, unit_vectors(len(held), 1), "t")
    async with opened(address(words="no", **STRANGE)) as backend:
        assert isinstance(backend, PostgresBackend)
        assert backend.count == len(held)
        assert not backend.capabilities.lexical
        found = await ask(backend, Request(unit_vectors(1, 3)[0], None, 5, filter=Equal("odd", True)))
        assert len(found.keys) == 5
        before = backend.version
        run("DELETE FROM t WHERE slug = %s", [held[0].id])
        await backend._copy.refresh()
        assert (backend.count, backend.version != before) == (len(held) - 1, True)


@pytest.mark.parametrize(("most", "in_memory"), [("60", True), ("59", False), ("no", False)])
async def test_a_table_with_more_rows_than_may_be_in_memory_is_searched_in_the_database(
    address: Address, run: Run, most: str, in_memory: bool
) -> None:
    held = documents(fields=True)
    fill_articles(run, held, unit_vectors(len(held), 1), "t")
    told: list[str] = []
    async with opened(address(hot=most, **STRANGE), told) as backend:
        assert isinstance(backend, HotBackend) == in_memory
    assert [line for line in told if "&hot=60" in line] == [
        "t has 60 rows, and at most 59 are kept in memory, so each key asks the database: add &hot=60 to keep all, or "
        "&hot=no to read this no more"
        for _ in range(most == "59")
    ]
