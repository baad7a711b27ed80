"""A PostgreSQL server for all tests of a session, and a schema for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="the driver of PostgreSQL is not installed")
pytest.importorskip("psycopg_pool", reason="the pool of psycopg is not installed")

from benchmarks.postgres_server import PostgresServer  # noqa: E402

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    try:
        started = PostgresServer()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with started:
        with psycopg.connect(started.address(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        yield started


@pytest.fixture
def schema(server: PostgresServer) -> Iterator[str]:
    """The name of a new schema. A database of its own would take seconds."""
    name = f"test{next(_NUMBERS)}"
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        yield name
        connection.execute(f"DROP SCHEMA {name} CASCADE")


Run = Callable[..., list[Sequence[Any]]]


@pytest.fixture
def run(server: PostgresServer, schema: str) -> Iterator[Run]:
    """Runs a statement in the schema."""
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}, public")

        def execute(statement: str, values: Sequence[object] = ()) -> list[Sequence[Any]]:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        yield execute
