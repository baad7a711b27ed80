"""Streams the rows of an SQL query: ``sqlite:///shop.db``, ``postgresql://user@host/shop``, ``mysql://…``.

SQLAlchemy opens the database. Python's DB-API leaves open what matters here: how an address names a database, how
parameters and percent signs are escaped, and how rows are streamed (psycopg wants a named cursor, PyMySQL another class
of cursor). SQLAlchemy knows that for each driver, and it knows further databases by their own drivers. Nothing of its
other half, the mapping of objects, is loaded.

Queries only read: SQLite is opened read-only, PostgreSQL and MySQL get a read-only transaction, and nothing is ever
committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from typeahead.errors import MissingExtra, SourceError
from typeahead.text.formats import Record
from typeahead.text.plain import plain

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

#: Rows that are fetched at a time.
_ROWS = 500
#: The drivers of addresses that name none.
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_PACKAGES = {"psycopg": "psycopg", "pymysql": "PyMySQL"}


def is_address(source: object) -> bool:
    """Whether a source is the address of a database and not a file."""
    return isinstance(source, str) and "://" in source


def shown(address: str) -> str:
    """Return the address without its password, for messages and manifests."""
    scheme, separator, rest = address.partition("://")
    user, at, host = rest.rpartition("@")
    if not at:
        return address
    name, colon, _ = user.partition(":")
    return f"{scheme}{separator}{name}{':***' if colon else ''}@{host}"


def read_query(address: str, query: str) -> Iterator[Record]:
    """Stream the rows of ``query``, numbered from 1, with their columns by name.

    Raises:
        SourceError: the address or the query is wrong, or the connection fails. No message holds the password.
        MissingExtra: SQLAlchemy or the driver is not installed.
    """
    try:
        import sqlalchemy
        from sqlalchemy import exc
    except ImportError as error:
        raise MissingExtra("SQLAlchemy", "sql") from error
    row = 0
    try:
        engine = sqlalchemy.create_engine(_url(address), poolclass=sqlalchemy.pool.NullPool)
        with engine.connect() as connection:
            _only_read(connection)
            # The query goes to the driver as it is: no colon and no percent sign in it is a parameter.
            options = connection.execution_options(stream_results=True, yield_per=_ROWS, no_parameters=True)
            result = options.exec_driver_sql(query)
            if not result.returns_rows:
                raise SourceError(f"{shown(address)}: the query returns no rows: give a SELECT")
            names = list(result.keys())
            for name in names:
                if names.count(name) > 1:
                    raise SourceError(f"{shown(address)}: two columns are called {name!r}: rename one with AS")
            for values in result:
                row += 1
                yield row, dict(zip(names, map(plain, values), strict=True))
    except ModuleNotFoundError as error:
        raise MissingExtra(_PACKAGES.get(error.name or "", error.name or "the driver"), "sql") from error
    except (exc.SQLAlchemyError, OSError, ValueError) as error:
        raise _failed(address, error, row) from error


def _failed(address: str, error: Exception, row: int) -> SourceError:
    # The driver's own message, without SQLAlchemy's repetition of the query. Further lines show it within a cursor.
    message = next(iter(str(getattr(error, "orig", None) or error).strip().splitlines()), type(error).__name__)
    after = f" after row {row:,}" if row else ""
    return SourceError(f"{shown(address)}: the query failed{after}: {message}")


def _url(address: str) -> URL:
    from sqlalchemy import make_url

    url = make_url(address)
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() != "sqlite" or url.query:
        return url
    if not url.database or url.database == ":memory:":
        raise SourceError(f"{address}: names no file: sqlite:///shop.db is relative, sqlite:////data/shop.db absolute")
    path = Path(url.database)
    if not path.is_file():
        # SQLite would make an empty one.
        raise SourceError("there is no such database", path=path)
    return url.set(database=f"file:{quote(str(path.absolute()))}", query={"mode": "ro", "uri": "true"})


def _only_read(connection: Connection) -> None:
    name: Any = connection.dialect.name
    if name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only=ON")
    elif name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    elif name in ("mysql", "mariadb"):
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
