"""Where ``qdrant://`` is opened: imports the client, or says how to install it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.errors import MissingExtra

if TYPE_CHECKING:
    from typeahead.search.addresses import OpenOptions
    from typeahead.search.port import Backend


async def open_qdrant(address: str, options: OpenOptions) -> Backend:
    """Open the collection of an address. Raises what :func:`.opening.open_collection` does, and MissingExtra."""
    try:
        import qdrant_client
    except ImportError as error:
        raise MissingExtra("qdrant_client", "qdrant") from error
    del qdrant_client
    from typeahead.engines.qdrant.opening import open_collection

    return await open_collection(address, options)
