"""A change that somebody tells of is taken in at once, and not at the next look."""

from __future__ import annotations

import asyncio
import time

import pytest

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from tests.engines.postgres.tables import STRANGE, fill_articles, make_table
from tests.search.contract_oracles import DIM, asked, documents, later, unit_vectors
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.port import Backend, Request
from typeahead.search.ranking import find

HELD = documents(fields=True)


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks without being told."""
    monkeypatch.setattr("typeahead.engines.postgres.copy.LEAST_SECONDS", 3600.0)


async def opened(address: str) -> Backend:
    return await open_backend(address, OpenOptions(warn=lambda _: None))


async def finds_quince(backend: Backend, run: Run, change: str) -> None:
    """Make a change, again while nobody listens yet, until it is found."""
    deadline = later()
    while not (await find(backend, [Request(None, asked("quince"), 3)], later()))[0].hits:
        assert time.monotonic() < deadline
        run(change)
        await asyncio.sleep(0.1)
    await backend.close()


async def test_a_table_that_was_made_here_tells_of_its_changes(server: PostgresServer, schema: str, run: Run) -> None:
    address = server.address(table=f"{schema}.made")
    await make_table(address, DIM)
    # A second table of the same schema shares the function of the trigger.
    await make_table(server.address(table=f"{schema}.other"), DIM)
    numbers = [0.5] * DIM
    await finds_quince(
        await opened(address),
        run,
        f"INSERT INTO made VALUES (gen_random_uuid(), 0, 'Quince', '', '', '{{}}', '', '{{}}', '{numbers}')",
    )


async def test_changes_of_another_table_are_heard_on_the_channel_that_is_named(
    server: PostgresServer, schema: str, run: Run
) -> None:
    fill_articles(run, HELD, unit_vectors(len(HELD), 1), "t")
    backend = await opened(server.address(table=f"{schema}.t", notify=f"{schema} changes", **STRANGE))
    await finds_quince(
        backend, run, f"UPDATE t SET headline = 'Quince' WHERE slug = '{HELD[3].id}'; NOTIFY \"{schema} changes\""
    )
