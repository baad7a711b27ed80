"""Reads go to a standby and writes to the primary, and neither a dead primary nor a dead standby ends the searches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import psycopg
import pytest
import pytest_asyncio

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.tables import make_table
from tests.search.contract_oracles import DIM, asked, documents, later, unit_vectors
from typeahead.engines.postgres.hosts import hosts_of
from typeahead.errors import BackendAway
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Entry, Request
from typeahead.search.ranking import find
from typeahead.text.document import Document, Passage

HELD = documents(fields=True)
VECTORS = unit_vectors(len(HELD), 1)
REQUEST = Request(VECTORS[5], asked("eggs"), 8)


class Pair(NamedTuple):
    primary: PostgresServer
    standby: PostgresServer

    def address(self, **more: str) -> str:
        hosts = f"{self.primary.folder},{self.standby.folder}"
        return self.primary.address(table="made", **more).replace(str(self.primary.folder), hosts)


@pytest.fixture
def pair() -> Iterator[Pair]:
    try:
        primary = PostgresServer({"fsync": "off"})
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with primary:
        with psycopg.connect(primary.address(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        with PostgresServer({"fsync": "off"}, standby_of=primary) as standby:
            yield Pair(primary, standby)


@pytest_asyncio.fixture(params=["no", "1000"], ids=["cold", "hot"])
async def backend(pair: Pair, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    await make_table(pair.primary.address(table="made"), DIM)
    with psycopg.connect(pair.primary.address()) as primary, psycopg.connect(pair.standby.address()) as standby:
        standby.autocommit = True
        (position,) = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or (None,)
        deadline = later()
        while standby.execute("SELECT pg_last_wal_replay_lsn() < %s", [position]).fetchone() == (True,):
            assert time.monotonic() < deadline
    opened = await open_backend(pair.address(hot=request.param), OpenOptions(warn=lambda _: None))
    await write(opened, HELD)
    yield opened
    await opened.close()


async def write(backend: Backend, held: list[Document]) -> None:
    writes = backend.capabilities.writes
    assert writes is not None
    await writes.upsert(
        [Entry(one, (Passage(one.text),), vector[None]) for one, vector in zip(held, VECTORS[: len(held)], strict=True)]
    )


async def found(backend: Backend) -> list[str]:
    return [hit.id for hit in (await find(backend, [REQUEST], later()))[0].hits]


def test_only_an_address_with_several_hosts_has_two_ways() -> None:
    assert not hosts_of("postgresql://me@one/shop").are_apart
    reading, writing = hosts_of("postgresql://me@one,two/shop")
    assert "target_session_attrs=prefer-standby" in reading
    assert "target_session_attrs=read-write" in writing
    assert hosts_of("postgresql://me@one,two/shop?target_session_attrs=any").reading.endswith("=any")


async def test_what_was_written_is_found_at_once_though_reads_go_to_the_standby(pair: Pair, backend: Backend) -> None:
    with psycopg.connect(pair.standby.address()) as standby:
        reading = standby.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'typeahead'"
        ).fetchone()
        assert reading is not None
        assert reading[0] >= 2
    document = Document("new", "Quince", "quince jelly")
    await write(backend, [document])
    assert backend.capabilities.documents is not None
    assert await backend.capabilities.documents(["new"]) == {"new": document}
    (one,) = await find(backend, [Request(None, asked("quince"), 3)], later())
    assert [hit.id for hit in one.hits] == ["new"]


async def test_no_search_is_lost_while_the_primary_dies_and_the_standby_takes_its_place(
    pair: Pair, backend: Backend
) -> None:
    before = await found(backend)
    pair.primary.stop("immediate")
    assert await found(backend) == before
    with pytest.raises(BackendAway):
        await write(backend, [Document("new", "Quince")])
    pair.standby.promote()
    assert await found(backend) == before
    deadline = later()
    while True:
        try:
            await write(backend, [Document("new", "Quince")])
        except BackendAway:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            break
    (one,) = await find(backend, [Request(None, asked("quince"), 3)], later())
    assert [hit.id for hit in one.hits] == ["new"]


async def test_no_search_is_lost_while_the_standby_dies(pair: Pair, backend: Backend) -> None:
    before = await found(backend)
    pair.standby.stop("immediate")
    for _ in range(6):
        assert await found(backend) == before
    await write(backend, [Document("new", "Quince")])
    (one,) = await find(backend, [Request(None, asked("quince"), 3)], later())
    assert [hit.id for hit in one.hits] == ["new"]


async def test_what_the_dead_primary_alone_had_is_forgotten(pair: Pair, backend: Backend) -> None:
    """The standby that takes its place may lack what was committed last."""
    pair.standby.stop("immediate")
    await write(backend, [Document(HELD[0].id, "Quince"), Document("new", "Quince")])
    deadline = later()
    while [hit.title for hit in (await find(backend, [Request(None, asked("quince"), 3)], later()))[0].hits] != [
        "Quince"
    ]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    pair.primary.stop("immediate")
    pair.standby.start()
    pair.standby.promote()
    while True:
        try:
            hits = (await find(backend, [Request(None, asked("quince"), 3)], later()))[0].hits
        except BackendAway:
            hits = [None]  # type: ignore[list-item]
        if not hits:
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert backend.count == len(HELD)
