"""The copy of words and fields follows whatever changes the table, and a candidate is never weighed by old words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import psycopg
import pytest
import pytest_asyncio

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from tests.engines.postgres.tables import STRANGE, fill_articles, written
from tests.search.contract_living import assert_alike
from tests.search.contract_oracles import ask, asked, documents, ids, later, unit_vectors
from tests.search.memory_backend import MemoryBackend
from typeahead.engines.postgres.backend import PostgresBackend
from typeahead.engines.postgres.hot import HotBackend
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Equal
from typeahead.search.port import LEXICAL, Request
from typeahead.text.document import Document

HELD = documents(fields=True)
VECTORS = unit_vectors(len(HELD), 1)


@pytest_asyncio.fixture
async def cold(server: PostgresServer, schema: str, run: Run) -> AsyncIterator[PostgresBackend]:
    """A table whose vectors are searched in the database."""
    fill_articles(run, HELD, VECTORS, "t")
    opened = await open_backend(server.address(table=f"{schema}.t", hot="no", **STRANGE), OpenOptions(warn=silent))
    assert isinstance(opened, PostgresBackend)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(params=["no", "1000"], ids=["cold", "hot"])
async def backend(
    server: PostgresServer, schema: str, run: Run, request: pytest.FixtureRequest
) -> AsyncIterator[PostgresBackend | HotBackend]:
    fill_articles(run, HELD, VECTORS, "t")
    address = server.address(table=f"{schema}.t", hot=request.param, **STRANGE)
    opened = await open_backend(address, OpenOptions(warn=silent))
    assert isinstance(opened, HotBackend if request.param != "no" else PostgresBackend)
    yield opened
    await opened.close()


def silent(_: str) -> None:
    """Warnings are not what is tested here."""


async def test_rows_that_are_added_changed_and_deleted_in_sql_are_found_as_they_are(
    backend: PostgresBackend | HotBackend, run: Run
) -> None:
    version = int(backend.version)
    run("UPDATE t SET body = 'quince ' || body WHERE slug = %s", [HELD[5].id])
    run("DELETE FROM t WHERE slug = ANY(%s)", [[HELD[7].id, HELD[8].id]])
    run("INSERT INTO t (slug, headline, embedding) VALUES ('new', 'Quince', %s)", [written(VECTORS[7])])
    await backend._copy.refresh()
    assert int(backend.version) > version
    left = {one.id: (one, vector) for one, vector in zip(HELD, VECTORS, strict=True)}
    del left[HELD[7].id], left[HELD[8].id]
    old = HELD[5]
    left[old.id] = Document(old.id, old.title, f"quince {old.text}", old.url, old.fields), VECTORS[5]
    left["new"] = Document("new", "Quince"), VECTORS[7]
    entries, vectors = zip(*left.values(), strict=True)
    await assert_alike(backend, MemoryBackend(entries, np.stack(vectors)))


async def test_a_row_that_changed_since_the_last_look_is_weighed_as_it_is(cold: PostgresBackend, run: Run) -> None:
    run("UPDATE t SET headline = 'Quince', body = '', odd = NULL WHERE slug = %s", [HELD[9].id])
    run("INSERT INTO t (slug, headline, embedding) VALUES ('new', 'quince quince', %s)", [written(VECTORS[9])])
    found = await ask(cold, Request(VECTORS[9], asked("quince"), 3, facets=("odd",)))
    held = {key.document: row for row, key in enumerate(found.keys)}
    assert found.frequencies[held[HELD[9].id]].tolist() == [[1], [0]]
    assert found.frequencies[held["new"]].tolist() == [[2], [0]]
    # What a row was when its words were read does not count for filters and words that are to be left out either.
    filtered = await ask(cold, Request(VECTORS[9], None, 60, filter=Equal("odd", HELD[9].fields["odd"] is True)))
    assert HELD[9].id not in {key.document for key in filtered.keys}
    without = asked("eggs")._replace(without=("quince",))
    assert (
        not held.keys()
        & {HELD[9].id, "new"}
        & {key.document for key in (await ask(cold, Request(VECTORS[9], without, 60))).keys}
    )


async def test_a_row_that_is_gone_since_the_last_look_is_no_candidate(cold: PostgresBackend, run: Run) -> None:
    gone = next(one for one in HELD if "cheese" in f"{one.title} {one.text}")
    run("DELETE FROM t WHERE slug = %s", [gone.id])
    found = await ask(cold, Request(VECTORS[0], asked("cheese"), 60))
    assert gone.id not in {key.document for key in found.keys}
    assert ids(found, LEXICAL)


async def test_changes_are_taken_in_without_being_asked(backend: PostgresBackend | HotBackend, run: Run) -> None:
    before = backend.version
    heard: list[int] = []

    async def hear(contents: object) -> None:
        del contents
        heard.append(backend.count)

    backend._copy.follow(hear)
    run("DELETE FROM t WHERE slug = %s", [HELD[0].id])
    for _ in range(600):
        if heard:
            break
        await asyncio.sleep(0.05)
    assert (backend.count, backend.version != before) == (len(HELD) - 1, True)
    assert heard == [len(HELD) - 1]


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_a_transaction_that_began_before_a_look_and_ends_after_it_is_seen(
    backend: PostgresBackend | HotBackend, run: Run, isolation: str, server: PostgresServer, schema: str
) -> None:
    with psycopg.connect(server.address()) as slow:
        slow.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        slow.execute(f"UPDATE {schema}.t SET headline = 'Quince' WHERE slug = %s", [HELD[3].id])
        run("UPDATE t SET headline = 'Medlar' WHERE slug = %s", [HELD[4].id])
        await backend._copy.refresh()
        assert not ids(await ask(backend, Request(None, asked("quince"), 5)), LEXICAL)
        assert ids(await ask(backend, Request(None, asked("medlar"), 5)), LEXICAL) == {HELD[4].id}
        slow.commit()
    await backend._copy.refresh()
    assert ids(await ask(backend, Request(None, asked("quince"), 5)), LEXICAL) == {HELD[3].id}


async def test_many_changes_are_put_into_one_part_and_nothing_is_lost(
    backend: PostgresBackend | HotBackend, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.engines.living._LEAST_CHANGES", 20)
    left = {one.id: (one, vector) for one, vector in zip(HELD, VECTORS, strict=True)}
    for number, old in enumerate(HELD[:30]):
        run("UPDATE t SET body = 'quince ' || body WHERE slug = %s", [old.id])
        vector = left.pop(old.id)[1]
        left[old.id] = Document(old.id, old.title, f"quince {old.text}", old.url, old.fields), vector
        if number % 7 == 0:
            await backend._copy.refresh()
    await backend._copy.refresh()
    # Without that, each change would leave a dead row.
    assert backend._copy.contents.rows < len(HELD) + 30
    entries, vectors = zip(*left.values(), strict=True)
    await assert_alike(backend, MemoryBackend(entries, np.stack(vectors)))


async def test_a_table_is_read_in_pieces(
    server: PostgresServer, schema: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.engines.living._TOGETHER", 7)
    monkeypatch.setattr("typeahead.engines.postgres.copy._ROWS", 4)
    fill_articles(run, HELD, VECTORS, "t")
    backend = await open_backend(server.address(table=f"{schema}.t", **STRANGE), OpenOptions(warn=silent))
    await assert_alike(backend, MemoryBackend(HELD, VECTORS))
    await backend.close()


async def test_only_rows_written_since_the_last_look_are_compared_with_the_copy(
    cold: PostgresBackend, run: Run
) -> None:
    await cold._copy.refresh()
    settled = cold._copy.settled()
    assert all(settled(stamp) for (stamp,) in run("SELECT DISTINCT xmin::text FROM t"))
    run("UPDATE t SET body = 'quince' WHERE slug = %s", [HELD[5].id])
    (stamp,) = run("SELECT xmin::text FROM t WHERE slug = %s", [HELD[5].id])[0]
    assert not settled(stamp)
    await cold._copy.refresh()
    assert cold._copy.settled()(stamp)


async def test_a_hit_that_was_shown_a_moment_ago_is_shown_as_it_is_now(cold: PostgresBackend, run: Run) -> None:
    request = Request(VECTORS[5], None, 10)
    for title in ("before", "after"):
        run("UPDATE t SET headline = %s WHERE slug = %s", [title, HELD[5].id])
        (found,) = await cold.candidates([request], later())
        shown = await cold.fetch(found.keys, later())
        assert shown[found.keys[0]].title == title
