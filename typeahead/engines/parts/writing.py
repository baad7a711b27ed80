"""Writes into the parts of an index: a document goes where it is, and a new one where the hash of its id says.

So documents stay where they are though the number of parts has changed, and in tables that somebody else has
partitioned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, Protocol

from typeahead.engines.parts.placing import part_of
from typeahead.index.kinds import FieldKinds
from typeahead.search.filters import Filter
from typeahead.search.port import Backend, Entry, Writes

#: Seconds between two looks whether searches know what was written.
_LOOK_SECONDS: Final = 0.002


class Whole(Protocol):
    """The parts together."""

    @property
    def backends(self) -> Sequence[Backend]:
        """The parts in their order."""

    @property
    def version(self) -> str:
        """Names the documents of all parts."""


class PartedWrites:
    """The capability to change documents: see :class:`~typeahead.search.port.Writes`.

    A call is all or nothing in each part. If one part fails, others may have taken their documents; to make the same
    call again is safe.
    """

    def __init__(self, whole: Whole) -> None:
        self._whole = whole

    @property
    def divides(self) -> bool:
        """Whether all parts take documents in passages."""
        return all(one.divides for one in self._parts())

    async def upsert(self, entries: Sequence[Entry]) -> int:
        """See :meth:`~typeahead.search.port.Writes.upsert`."""
        parts = self._parts()
        kinds = FieldKinds(await self.kinds())
        for entry in entries:
            kinds.add(entry.document)
        where = await self._places([entry.document.id for entry in entries])
        chosen: list[list[Entry]] = [[] for _ in parts]
        for entry in entries:
            chosen[where.get(entry.document.id, part_of(entry.document.id, len(parts)))].append(entry)
        for place, some in enumerate(chosen):
            if some:
                await self._until(place, await parts[place].upsert(some))
        return int(self._whole.version)

    async def delete(self, ids: Sequence[str]) -> tuple[int, int]:
        """See :meth:`~typeahead.search.port.Writes.delete`."""
        gone = 0
        for place, part in enumerate(self._parts()):
            removed, version = await part.delete(ids)
            gone += removed
            await self._until(place, version)
        return gone, int(self._whole.version)

    async def matching(self, tree: Filter, most: int) -> Sequence[str]:
        """See :meth:`~typeahead.search.port.Writes.matching`."""
        found = await asyncio.gather(*(part.matching(tree, most) for part in self._parts()))
        return list(dict.fromkeys(chain.from_iterable(found)))[:most]

    async def kinds(self) -> Mapping[str, str]:
        """See :meth:`~typeahead.search.port.Writes.kinds`."""
        known: dict[str, str] = {}
        for one in await asyncio.gather(*(part.kinds() for part in self._parts())):
            known = {**one, **known}
        return known

    def _parts(self) -> list[Writes]:
        return [one.capabilities.writes for one in self._whole.backends if one.capabilities.writes is not None]

    async def _places(self, ids: Sequence[str]) -> dict[str, int]:
        """The parts of the documents that are there."""
        reads = [one.capabilities.documents for one in self._whole.backends]
        found = await asyncio.gather(*(read(ids) for read in reads if read is not None))
        return {key: place for place, some in reversed(list(enumerate(found))) for key in some}

    async def _until(self, place: int, version: int) -> None:
        """Wait until a part searches what was written: the sum of all versions does not tell which have grown."""
        while int(self._whole.backends[place].version) < version:
            await asyncio.sleep(_LOOK_SECONDS)
