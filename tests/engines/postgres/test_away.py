"""What happens while the database is slow, silent or gone, and after it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.tables import STRANGE, fill_articles
from tests.search.contract_oracles import asked, documents, later, unit_vectors
from typeahead.engines.postgres.backend import PostgresBackend
from typeahead.errors import AddressError, BackendAway, DeadlinePassed, SearchError
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Request
from typeahead.search.ranking import find

REQUEST = Request(unit_vectors(1, 2)[0], asked("eggs"), 8)


@pytest.fixture
def alone() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    try:
        # What was committed survives a crash of the server.
        server = PostgresServer({"fsync": "off"})
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest_asyncio.fixture
async def backend(alone: PostgresServer) -> AsyncIterator[PostgresBackend]:
    held = documents(fields=True)
    with psycopg.connect(alone.address(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        fill_articles(lambda query, *values: connection.execute(query, *values), held, unit_vectors(len(held), 1), "t")
    opened = await open_backend(alone.address(table="t", hot="no", **STRANGE), OpenOptions(warn=lambda _: None))
    assert isinstance(opened, PostgresBackend)
    yield opened
    await opened.close()


async def back(backend: PostgresBackend) -> None:
    """Wait until searches are answered again."""
    deadline = later()
    while True:
        try:
            assert (await find(backend, [REQUEST], time.monotonic() + 5))[0].hits
        except (BackendAway, DeadlinePassed):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


async def test_while_the_database_is_gone_searches_fail_at_once_and_it_comes_back_by_itself(
    alone: PostgresServer, backend: PostgresBackend
) -> None:
    before = await find(backend, [REQUEST], later())
    alone.stop("immediate")
    for _ in range(2):
        with pytest.raises(BackendAway, match="cannot be reached"):
            await find(backend, [REQUEST], later())
    # None of them waits for a connection.
    asked_for = backend._database._pool.get_stats()["requests_num"]
    for _ in range(20):
        with pytest.raises(BackendAway):
            await backend.candidates([REQUEST], later())
    assert backend._database._pool.get_stats()["requests_num"] == asked_for
    assert backend.count == 60
    alone.start()
    await back(backend)
    assert (await find(backend, [REQUEST], later()))[0].hits == before[0].hits


async def test_a_server_that_accepts_and_never_answers_is_left_at_the_deadline(
    alone: PostgresServer, backend: PostgresBackend
) -> None:
    alone.pause()
    try:
        for _ in range(3):
            with pytest.raises(DeadlinePassed):
                # Far less than the connection would wait for.
                async with asyncio.timeout(3):
                    await backend.candidates([REQUEST], time.monotonic() + 0.1)
    finally:
        alone.pause(on=False)
    await back(backend)


async def test_opening_a_silent_server_ends_with_one_line(
    alone: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.engines.postgres.database.CONNECT_SECONDS", 0.2)
    with psycopg.connect(alone.address()):
        pass
    alone.pause()
    try:
        with pytest.raises(AddressError, match="does not answer"):
            await open_backend(alone.address(table="t"), OpenOptions())
    finally:
        alone.pause(on=False)


async def test_a_table_that_is_dropped_while_it_is_served_fails_searches_and_nothing_else(
    alone: PostgresServer, backend: PostgresBackend
) -> None:
    with psycopg.connect(alone.address(), autocommit=True) as connection:
        connection.execute("ALTER TABLE t RENAME TO gone")
        with pytest.raises(SearchError, match=r'cannot be searched: relation "public.t" does not exist'):
            await find(backend, [REQUEST], later())
        connection.execute("ALTER TABLE gone RENAME TO t")
    assert (await find(backend, [REQUEST], later()))[0].hits


async def test_a_search_whose_connection_broke_is_made_once_more(
    alone: PostgresServer, backend: PostgresBackend
) -> None:
    before = await find(backend, [REQUEST], later())
    for _ in range(2):
        alone.stop("immediate")
        alone.start()
        assert (await find(backend, [REQUEST], later()))[0].hits == before[0].hits


async def test_a_table_in_memory_is_searched_while_the_database_is_gone(
    alone: PostgresServer,
    backend: PostgresBackend,  # noqa: ARG001 - it has made the table
) -> None:
    opened = await open_backend(alone.address(table="t", **STRANGE), OpenOptions(warn=lambda _: None))
    capabilities = opened.capabilities
    assert capabilities.lag is not None
    assert capabilities.documents is not None
    assert capabilities.describe is not None
    before = (await find(opened, [REQUEST], later()))[0].hits
    document = (await capabilities.documents([before[0].id]))[before[0].id]
    alone.stop("immediate")
    gone = time.monotonic()
    assert (await find(opened, [REQUEST], later()))[0].hits == before
    # Without the database, memory tells what it has.
    assert await capabilities.documents([before[0].id]) == {before[0].id: document}
    assert (await capabilities.describe())["away"]
    since = time.monotonic() - gone
    assert capabilities.lag() >= since
    alone.start()
    with psycopg.connect(alone.address(), autocommit=True) as connection:
        connection.execute("UPDATE t SET headline = 'Quince', body = '' WHERE slug = %s", [before[0].id])
    request = Request(None, asked("quince"), 3)
    deadline = later()
    while [hit.id for hit in (await find(opened, [request], later()))[0].hits] != [before[0].id]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await opened.close()
