"""Row-level security: what a role sees, and nothing of what it does not see."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from benchmarks.postgres_server import PostgresServer
from tests.engines.postgres.conftest import Run
from tests.engines.postgres.tables import STRANGE, written
from tests.search.contract_living import assert_alike
from tests.search.contract_oracles import asked, eventually, later, unit_vectors
from tests.search.memory_backend import MemoryBackend
from tests.server.fakes import MeanEncoder
from tests.server.running import PATIENCE
from typeahead.engines.postgres import roles
from typeahead.errors import BackendAway, RoleRefused, SearchError
from typeahead.search.addresses import OpenOptions, open_backend
from typeahead.search.filters import Equal
from typeahead.search.port import Backend, Key, Request
from typeahead.search.ranking import find
from typeahead.server import ServerConfig, create_app
from typeahead.server.access.signing import KeyRing
from typeahead.server.process.run import Server, listeners_of
from typeahead.text.document import Document

KEY = "k1:" + "s" * 32
HELD = [
    Document(
        f"{tenant}{number}",
        f"{word} {number}",
        f"about {word} and {tenant}word",
        fields={"tenant": tenant, "year": number},
    )
    for tenant, word in (("a", "apple"), ("b", "banana"))
    for number in range(10)
]
VECTORS = unit_vectors(len(HELD), 1)


@pytest.fixture
def role(schema: str, run: Run) -> Iterator[str]:
    """The beginning of the names of two roles, who may read what is in the schema."""
    for tenant in "ab":
        run(f"CREATE ROLE {schema}_{tenant}")
        run(f"GRANT USAGE ON SCHEMA {schema} TO {schema}_{tenant}")
    yield schema
    for tenant in "ab":
        run(f"DROP OWNED BY {schema}_{tenant}")
        run(f"DROP ROLE {schema}_{tenant}")


@pytest.fixture
def table(role: str, run: Run) -> str:
    """A table of two tenants; each role sees the rows of one."""
    run("CREATE TABLE notes (id text PRIMARY KEY, title text, body text, tenant text, year int, embedding vector(16))")
    for one, vector in zip(HELD, VECTORS, strict=True):
        values = [one.id, one.title, one.text, one.fields["tenant"], one.fields["year"], written(vector)]
        run("INSERT INTO notes VALUES (%s, %s, %s, %s, %s, %s)", values)
    run("CREATE INDEX ON notes USING hnsw (embedding vector_cosine_ops)")
    run("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
    for tenant in "ab":
        run(f"GRANT SELECT ON notes TO {role}_{tenant}")
        run(f"CREATE POLICY {tenant} ON notes TO {role}_{tenant} USING (tenant = '{tenant}')")
    return "notes"


@pytest_asyncio.fixture(params=["no", "1000"])
async def backend(server: PostgresServer, table: str, schema: str, request: Any) -> AsyncIterator[Backend]:
    address = server.address(table=f"{schema}.{table}", hot=request.param, **STRANGE)
    opened = await open_backend(address, OpenOptions(warn=lambda _: None))
    yield opened
    await opened.close()


async def as_role(backend: Backend, name: str) -> Backend:
    assert backend.capabilities.as_role is not None
    return await backend.capabilities.as_role(name)


async def found(backend: Backend, words: str = "apple banana about") -> set[str]:
    """What any of both arms finds."""
    (one,) = await find(backend, [Request(unit_vectors(1, 2)[0], asked(words), 100)], later())
    return {hit.id for hit in one.hits}


async def test_a_role_has_a_back_end_of_the_documents_that_it_sees_alone(backend: Backend, role: str) -> None:
    rows = [row for row, one in enumerate(HELD) if one.fields["tenant"] == "a"]
    alone = MemoryBackend([HELD[row] for row in rows], VECTORS[rows])
    seen = await as_role(backend, f"{role}_a")
    await assert_alike(seen, alone)
    assert (seen.count, seen.capabilities.writes, seen.capabilities.describe) == (10, None, None)
    assert await seen.fetch([Key("b1")], later()) == {}
    assert seen.capabilities.vocabulary is not None
    assert "bword" not in await seen.capabilities.vocabulary()
    assert seen.capabilities.facets is not None
    assert (await seen.capabilities.facets(None, ["tenant"]))["tenant"] == {"a": 10}
    assert seen.capabilities.documents is not None
    assert set(await seen.capabilities.documents(["a1", "b1"])) == {"a1"}
    assert await found(seen, "bword") == {f"a{number}" for number in range(10)}
    # The whole, and the other role, see what they see.
    assert await found(backend) == {one.id for one in HELD}
    other = await as_role(backend, f"{role}_b")
    assert await found(other) == {f"b{number}" for number in range(10)}
    await seen.close()
    await other.close()


async def test_the_filter_of_a_token_narrows_what_its_role_sees(backend: Backend, role: str) -> None:
    seen = await as_role(backend, f"{role}_a")
    assert seen.capabilities.scoped is not None
    both = await seen.capabilities.scoped(Equal("year", 3))
    assert (both.count, await found(both)) == (1, {"a3"})
    await both.close()
    await seen.close()


async def test_changes_reach_a_role_as_far_as_it_sees_them(backend: Backend, role: str, run: Run) -> None:
    seen = await as_role(backend, f"{role}_a")
    before = seen.version
    run("UPDATE notes SET title = 'banana split' WHERE id = 'b1'")
    await eventually(lambda: _known(backend, "split"))
    assert seen.version == before
    # One goes to the other tenant, one comes from there, and one is new.
    run("UPDATE notes SET tenant = 'b' WHERE id = 'a1'")
    run("UPDATE notes SET tenant = 'a', title = 'apple now' WHERE id = 'b2'")
    run("INSERT INTO notes SELECT 'a new', 'apple new', body, tenant, year, embedding FROM notes WHERE id = 'a3'")
    await eventually(lambda: seen.count == 11)
    expected = {f"a{number}" for number in range(10) if number != 1} | {"b2", "a new"}
    assert await found(seen) == expected
    await seen.close()


def _known(backend: Any, word: str) -> bool:
    """Whether the words in memory have a word that somebody has just written."""
    contents = backend._copy.contents
    return bool(contents.document_frequencies(contents.look_up(asked(word).terms))[0])


async def test_a_policy_that_changes_holds_within_a_bound(
    backend: Backend, role: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "ROLE_SECONDS", 0.1)
    run("CREATE TABLE shared (id text)")
    run(f"GRANT SELECT ON shared TO {role}_a")
    run(f"CREATE POLICY more ON notes TO {role}_a USING (id IN (SELECT id FROM shared))")
    seen = await as_role(backend, f"{role}_a")
    before = seen.version
    run("INSERT INTO shared VALUES ('b7')")
    await eventually(lambda: seen.count == 11)
    assert await found(seen) == {*(f"a{number}" for number in range(10)), "b7"}
    assert seen.version != before
    run("DELETE FROM shared")
    await eventually(lambda: seen.count == 10)
    assert seen.version == before
    run(f"DROP POLICY a ON notes; DROP POLICY more ON notes; CREATE POLICY none ON notes TO {role}_a USING (false)")
    await eventually(lambda: seen.count == 0)
    assert await found(seen) == set()
    await seen.close()


async def test_a_version_that_a_role_has_never_seen_is_not_shown_to_it(backend: Backend, role: str, run: Run) -> None:
    seen: Any = await as_role(backend, f"{role}_a")
    copy: Any = backend._copy  # type: ignore[attr-defined]
    view = next(one.__self__ for one in copy._followers)
    async with copy._lock:
        # The role sees the row from now on, and the copy has the version of before.
        run("UPDATE notes SET tenant = 'a', title = 'apple', body = 'nothing of before' WHERE id = 'b4'")
        await view._ask(copy.contents)
        assert seen.count == 10
        assert "b4" not in view.contents.find(["b4"])
    await eventually(lambda: seen.count == 11)
    await seen.close()


def copy_database(backend: Any) -> Any:
    return getattr(backend, "table", backend)._database


@pytest.mark.parametrize("name", ["nobody_of_that_name", ""])
async def test_a_role_that_is_not_there_is_refused_in_one_line(backend: Backend, name: str) -> None:
    with pytest.raises(RoleRefused, match=f"the role '{name}' of a token cannot be used: .*role") as caught:
        await as_role(backend, name)
    assert "\n" not in str(caught.value)
    assert await found(backend) == {one.id for one in HELD}


async def test_a_role_that_the_server_may_not_take_on_or_that_may_not_read_is_refused(
    server: PostgresServer, role: str, table: str, schema: str, run: Run
) -> None:
    run(f"CREATE ROLE {schema}_plain LOGIN BYPASSRLS")
    run(f"GRANT USAGE ON SCHEMA {schema} TO {schema}_plain")
    run(f"GRANT SELECT ON notes TO {schema}_plain")
    address = server.address(table=f"{schema}.{table}", **STRANGE).replace("postgres@", f"{schema}_plain@")
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    try:
        assert backend.count == len(HELD)
        with pytest.raises(RoleRefused, match="permission denied to set role"):
            await as_role(backend, f"{role}_a")
        run(f"GRANT {role}_a TO {schema}_plain")
        seen = await as_role(backend, f"{role}_a")
        assert await found(seen) == {f"a{number}" for number in range(10)}
        await seen.close()
        run(f"REVOKE SELECT ON notes FROM {role}_a")
        with pytest.raises(RoleRefused, match="permission denied for table notes"):
            await as_role(backend, f"{role}_a")
    finally:
        await backend.close()
        run(f"DROP OWNED BY {schema}_plain")
        run(f"DROP ROLE {schema}_plain")


async def test_a_role_that_loses_its_rights_finds_nothing_more_though_its_documents_are_in_memory(
    backend: Backend, role: str, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(roles, "ROLE_SECONDS", 0.05)
    caplog.set_level(logging.ERROR, roles.__name__)
    seen = await as_role(backend, f"{role}_a")
    assert seen.capabilities.scoped is not None
    both = await seen.capabilities.scoped(Equal("year", 3))
    run(f"REVOKE SELECT ON notes FROM {role}_a")
    await eventually(lambda: bool(caplog.records))
    for part in (seen, both):
        with pytest.raises(SearchError, match="permission denied"):
            await found(part)
    assert len(caplog.records) == 1
    run(f"GRANT SELECT ON notes TO {role}_a")
    await eventually(lambda: _answers(seen))
    assert await found(seen) == {f"a{number}" for number in range(10)}
    await both.close()
    await seen.close()


def _answers(backend: Backend) -> bool:
    try:
        return backend.count == 10
    except SearchError:
        return False


async def test_what_a_role_saw_counts_for_a_while_without_the_database(
    backend: Backend, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await as_role(backend, f"{role}_a")
    database = copy_database(backend)

    async def gone(*_: object, **__: object) -> None:
        raise BackendAway("x", "it is gone")

    monkeypatch.setattr(database, "call", gone)
    assert seen.count == 10
    monkeypatch.setattr(roles, "TRUSTED_SECONDS", -1)
    with pytest.raises(BackendAway, match="not known any more"):
        _ = seen.count
    monkeypatch.undo()
    await seen.close()


async def test_a_connection_is_the_servers_again_after_each_search(backend: Backend, role: str) -> None:
    seen = await as_role(backend, f"{role}_a")
    database = copy_database(backend)
    for _ in range(10):
        await found(seen)

        async def who(connection: psycopg.AsyncConnection[Any]) -> str:
            row = await (await connection.execute("SELECT current_user::text")).fetchone()
            assert row is not None
            return str(row[0])

        assert await database.call(who) == "postgres"
    await seen.close()


async def test_a_table_that_typeahead_made_has_roles_too(server: PostgresServer, role: str, run: Run) -> None:
    from tests.engines.postgres.tables import make_table
    from tests.search.contract_living import entry

    address = server.address(table=f"{role}.made")
    await make_table(address, 16)
    run("ALTER TABLE made ENABLE ROW LEVEL SECURITY")
    run(f"GRANT SELECT ON made TO {role}_a")
    run(f"CREATE POLICY a ON made TO {role}_a USING (fields->>'tenant' = 'a')")
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    assert backend.capabilities.writes is not None
    await backend.capabilities.writes.upsert([entry(one, unit_vectors(3, 4)) for one in HELD])
    seen = await as_role(backend, f"{role}_a")
    assert await found(seen) == {f"a{number}" for number in range(10)}
    # A write is seen once it is answered.
    await backend.capabilities.writes.upsert([entry(Document("new", fields={"tenant": "a"}), unit_vectors(2, 5))])
    await backend.capabilities.writes.delete(["a1"])
    assert (seen.count, "new" in await found(seen), "a1" in await found(seen)) == (10, True, False)
    await seen.close()
    await backend.close()


async def test_a_token_with_a_role_searches_as_the_role_and_one_that_cannot_be_used_is_refused(
    server: PostgresServer, table: str, role: str, schema: str, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = MeanEncoder().encode([one.passage for one in HELD])
    run("ALTER TABLE notes DROP embedding")
    run(f"ALTER TABLE notes ADD embedding vector({vectors.shape[1]})")
    for one, vector in zip(HELD, vectors, strict=True):
        run("UPDATE notes SET embedding = %s WHERE id = %s", [written(vector), one.id])
    address = server.address(table=f"{schema}.{table}", teacher="teacher", unverified="yes")
    ring = KeyRing.read(KEY)
    tokens = {name: ring.sign(["search"], seconds=600, role=f"{role}_{name}")[0] for name in ("a", "b", "c")}
    backend = await open_backend(address, OpenOptions(warn=lambda _: None))
    async with serving(backend, signing_keys=KEY) as at, httpx.AsyncClient(base_url=at, timeout=PATIENCE) as client:

        async def search(name: str) -> httpx.Response:
            body = {"query": "about banana", "k": 100, "facets": ["tenant"]}
            return await client.post("/v1/search", json=body, headers={"authorization": f"Bearer {tokens[name]}"})

        async def hello(name: str) -> Any:
            async with connect(at.replace("http", "ws", 1) + "/v1/type", compression=None) as socket:
                await socket.send(json.dumps({"hello": {"token": tokens[name]}}))
                return json.loads(await socket.recv())

        for name in "ab":
            reply = (await search(name)).json()
            assert {hit["id"][0] for hit in reply["hits"]} == {name}
            assert [one["value"] for one in reply["facets"]["tenant"]["values"]] == [name]
            assert (await hello(name))["hello"]["documents"] == 10
        refused = await search("c")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "role_refused")
        assert f"{role}_c" not in refused.text
        assert (await hello("c"))["error"]["code"] == "unauthorized"
        lines = [record.getMessage() for record in caplog.records if f"{role}_c" in record.getMessage()]
        assert len(lines) == 2
        assert f'role "{role}_c" does not exist' in lines[0]
        # The server goes on.
        assert (await search("a")).json()["hits"]
    await backend.close()


@asynccontextmanager
async def serving(backend: Backend, **settings: Any) -> AsyncIterator[str]:
    """A server on the event loop that the back end belongs to; yields its address."""
    config = ServerConfig(port=0, web=Path("/nonexistent"), **settings)
    sockets, ready = listeners_of(config), asyncio.Event()
    served = Server(create_app(config, MeanEncoder(), backend), lambda _: ready.set())
    task = asyncio.ensure_future(served.serve(sockets))
    try:
        async with asyncio.timeout(PATIENCE):
            await ready.wait()
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        served.should_exit = True
        await task
        for listener in sockets:
            listener.close()
