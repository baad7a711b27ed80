"""Opens several addresses as one index: ``postgresql://a/shop?table=articles postgresql://b/shop?table=articles``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from typeahead.engines.parts.backend import PartedBackend
from typeahead.errors import AddressError
from typeahead.search.port import Backend
from typeahead.search.space import Space


async def open_parts(addresses: Sequence[str], open_one: Callable[[str], Awaitable[Backend]]) -> Backend:
    """Open all addresses by ``open_one``, one after the other.

    Raises :class:`~typeahead.errors.AddressError` for parts of different spaces and for one that is named twice, and
    what ``open_one`` raises.
    """
    opened: list[Backend] = []
    try:
        for address in addresses:
            backend = await open_one(address)
            if any(one.address == backend.address for one in opened):
                await backend.close()
                raise AddressError(backend.address, "this part is named twice: name each part once")
            opened.append(backend)
            first = opened[0]
            if backend.space != first.space:
                raise AddressError(
                    backend.address,
                    f"its vectors are {_told(backend.space)}, and those of {first.address} are {_told(first.space)}: "
                    "parts of an index need vectors of one kind",
                )
    except BaseException:
        for backend in opened:
            await backend.close()
        raise
    return PartedBackend(opened)


def _told(space: Space) -> str:
    return f"{space}, {space.dim} dimensions, {space.similarity}"
