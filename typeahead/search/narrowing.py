"""What narrows a search beside its text: a filter, the fields whose values are counted, and where the list begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from typeahead.search.filters import Filter

#: Fields whose values one search counts, and documents that it may pass over.
MOST_FACETS: Final = 16
MAX_OFFSET: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Narrowing:
    """What one search asks for beside its text. Results for one are results for each that is ``==``."""

    filter: Filter | None = None
    facets: tuple[str, ...] = ()
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        # Filters that are == may differ, because Python takes 1 and True for the same.
        return self is other or (isinstance(other, Narrowing) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return self.facets, self.offset, repr(self.filter)


#: All documents, nothing counted, from the first hit on.
NOTHING: Final = Narrowing()
