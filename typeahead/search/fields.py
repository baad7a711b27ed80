"""Checks filters against the fields that documents have, so that a misspelt name is an error and no empty list."""

from __future__ import annotations

from collections.abc import Collection

from typeahead.errors import UnknownField, UnsupportedFilter
from typeahead.search.filters import Filter, fields, kinds
from typeahead.search.port import Backend


class KnownFields:
    """Remembers the fields of one back end's documents until they change."""

    def __init__(self) -> None:
        self._version = ""
        self._names: Collection[str] = ()

    async def of(self, backend: Backend) -> Collection[str] | None:
        """Return the fields of all documents, None if the back end cannot tell, or has no documents.

        ``backend`` must be the same each time. Raises what it raises.
        """
        list_fields, version = backend.capabilities.fields, backend.version
        if list_fields is None or not backend.count:
            return None
        if version != self._version:
            self._names = frozenset(await list_fields())
            self._version = version
        return self._names


def check_fields(tree: Filter, known: Collection[str] | None) -> None:
    """Raise :class:`~typeahead.errors.UnknownField` for a filter on a field that is not ``known``; None knows all."""
    if known is not None:
        for name in fields(tree):
            if name not in known:
                raise UnknownField(name, known)


def check_kinds(tree: Filter, backend: Backend) -> None:
    """Raise :class:`~typeahead.errors.UnsupportedFilter` for a filter that the back end cannot apply."""
    if unknown := kinds(tree) - backend.capabilities.filters:
        raise UnsupportedFilter(backend.address, unknown)
