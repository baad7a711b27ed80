"""The fields "filter", "facets" and "offset". A hello, a key's message and a search by HTTP have them in one form."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from typeahead.errors import FilterError, ProtocolError, SearchError, UnknownField, UnsupportedFilter
from typeahead.search.filters import Filter, is_text, read_filter
from typeahead.search.narrowing import MAX_OFFSET, MOST_FACETS, Narrowing
from typeahead.wire.fields import BadField

#: The types of two of the fields; a filter is any JSON, and read by :func:`read_change`.
Facets: TypeAlias = Annotated[list[str], Meta(max_length=MOST_FACETS)]
Offset: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_OFFSET)]
#: What they have to be, for errors.
EXPECTED: Final = {
    "facets": f"a list of at most {MOST_FACETS} names of fields",
    "offset": f"an integer from 0 to {MAX_OFFSET}",
}


class Change(msgspec.Struct, gc=False):
    """What a message changes; UNSET leaves a thing as it is. A filter of None removes the filter."""

    filter: Filter | UnsetType | None = UNSET
    facets: tuple[str, ...] | UnsetType = UNSET
    offset: int | UnsetType = UNSET

    def kept(self, before: Narrowing) -> Narrowing:
        """Apply what lasts: the filter and the facets."""
        if self.filter is UNSET and self.facets is UNSET:
            return before
        return Narrowing(
            before.filter if self.filter is UNSET else self.filter,
            before.facets if self.facets is UNSET else self.facets,
            before.offset,
        )

    def moved(self, before: Narrowing) -> Narrowing:
        """Apply what counts for one message alone: the offset."""
        if self.offset is UNSET or self.offset == before.offset:
            return before
        return Narrowing(before.filter, before.facets, self.offset)


def read_change(filter: Any, facets: list[str] | UnsetType, offset: int | UnsetType) -> Change | None:
    """Make a change of the fields of a message, each UNSET where the message lacks it; None if it lacks all.

    Raises :class:`~typeahead.errors.ProtocolError` with code ``bad_filter``, and
    :class:`~typeahead.wire.fields.BadField`.
    """
    if filter is UNSET and facets is UNSET and offset is UNSET:
        return None
    return Change(
        filter if filter is UNSET or filter is None else parse_filter(filter),
        facets if facets is UNSET else parse_facets(facets),
        offset,
    )


def parse_facets(names: list[str]) -> tuple[str, ...]:
    """Take each name once. Raises :class:`~typeahead.wire.fields.BadField` for one that is no text."""
    if not all(map(is_text, names)):
        raise BadField('"facets" has a name with a lone surrogate: no field has such a name', "facets")
    return tuple(dict.fromkeys(names))


def parse_filter(data: Any) -> Filter:
    """Read a filter. Raises :class:`~typeahead.errors.ProtocolError` with code ``bad_filter``."""
    try:
        return read_filter(data)
    except FilterError as error:
        raise ProtocolError("bad_filter", str(error)) from None


def filter_code(error: SearchError) -> str:
    """Return the error code for a filter that is not applied."""
    codes = {UnknownField: "unknown_field", UnsupportedFilter: "unsupported_filter"}
    return codes.get(type(error), "bad_filter")
