"""Where ``postgresql://`` is opened: imports the driver, or says how to install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.errors import MissingExtra

if TYPE_CHECKING:
    from typeahead.search.addresses import OpenOptions
    from typeahead.search.port import Backend


async def open_postgres(address: str, options: OpenOptions) -> Backend:
    """Open the table of an address. Raises what :func:`.opening.open_table` does, and MissingExtra."""
    try:
        import psycopg
        import psycopg_pool
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    del psycopg, psycopg_pool
    from typeahead.engines.postgres.opening import open_table

    return await open_table(address, options)
