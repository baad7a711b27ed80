"""Where ``postgresql://`` is opened and made: imports the driver, or says how to install it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from typeahead.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typeahead.core.encoder import Encoder
    from typeahead.engines.entries import Loaded
    from typeahead.index.build import Divide
    from typeahead.progress import OnProgress
    from typeahead.search.addresses import OpenOptions
    from typeahead.search.port import Backend
    from typeahead.text.document import Document


async def open_postgres(address: str, options: OpenOptions) -> Backend:
    """Open the table of an address. Raises what :func:`.opening.open_table` does, and MissingExtra."""
    _need_driver()
    from typeahead.engines.postgres.opening import open_table

    return await open_table(address, options)


class Recorded(NamedTuple):
    """What is known of a table before it is opened."""

    #: The encoder of its passages, None if it is not recorded.
    encoder: str | None


def look_up(address: str) -> Recorded | None:
    """Look at the table of an address; None if there is none. Raises what opening does, and MissingExtra."""
    _need_driver()
    from typeahead.engines.postgres.opening import look_up, read

    found = look_up(read(address))
    return None if found is None else Recorded(found.get("encoder") or None)


def is_address(out: object) -> bool:
    """Whether an output is the address of a table, and no folder."""
    return str(out).startswith(("postgresql://", "postgres://"))


def load_documents(
    address: str,
    documents: Iterable[Document],
    encoder: Encoder,
    *,
    divide: Divide | None = None,
    encoder_address: str = "",
    progress: OnProgress | None = None,
) -> Loaded:
    """Write documents into a new table. Raises what :func:`.loading.load_table` does, and MissingExtra."""
    _need_driver()
    from typeahead.engines.postgres.loading import load_table
    from typeahead.engines.postgres.opening import read

    return load_table(
        read(address), documents, encoder, divide=divide, encoder_address=encoder_address, progress=progress
    )


def _need_driver() -> None:
    try:
        import psycopg
        import psycopg_pool
    except ImportError as error:
        raise MissingExtra("psycopg", "postgres") from error
    del psycopg, psycopg_pool
