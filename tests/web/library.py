"""What a scripted server makes of filters, facets and pages, by the oracle of all filters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from typeahead.errors import FilterError, ProtocolError
from typeahead.search.filters import Filter, matches, read_filter
from typeahead.text.document import Document, Values

Hit = dict[str, Any]
#: The fields of a message that this module reads.
_OURS = ("filter", "facets", "offset")


class Library:
    """The fields of the server's documents, and the version that its replies name.

    Attributes may be set at any time: ``fields`` holds each document's fields by its id, ``version`` stands in each
    reply, and ``most`` is how many values a facet lists.
    """

    def __init__(self) -> None:
        self.fields: dict[str, Mapping[str, Values]] = {}
        self.version = "1"
        self.most = 10


class Session:
    """What one client has asked for: its filter, its facets, and how many hits make a page."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._filter: Filter | None = None
        self._facets: list[str] = []
        self._offset = 0
        self.k = 8

    def take(self, frame: str) -> tuple[str, dict[str, Any]]:
        """Split a frame into what the conversation reads, as JSON, and the fields that it does not know."""
        message = json.loads(frame)
        inner = message.get("hello", message)
        ours = {name: inner.pop(name) for name in _OURS if name in inner}
        return json.dumps(message), ours

    def agree(self, ours: dict[str, Any], seq: int | None, *, submit: bool) -> None:
        """Take the filter, facets and offset of a message. Raises :class:`ProtocolError`, and changes nothing then."""
        chosen = self._filter
        if "filter" in ours:
            try:
                chosen = None if ours["filter"] is None else read_filter(ours["filter"])
            except FilterError as error:
                raise ProtocolError("bad_filter", str(error), seq=seq) from None
        known = {name for fields in self._library.fields.values() for name in fields}
        for name in _names(ours.get("filter")):
            if name not in known:
                raise ProtocolError("unknown_field", f"no document has the field {name}", seq=seq)
        self._filter = chosen
        self._facets = ours.get("facets", self._facets)
        # Enter shows what its key was to show.
        self._offset = self._offset if submit else ours.get("offset", 0)

    def reply(self, text: str, hits: list[Hit]) -> dict[str, Any]:
        """The part of a reply that depends on filter, facets and page."""
        admitted = [hit for hit in hits if self._admits(hit["id"])]
        reply: dict[str, Any] = {
            "hits": admitted[self._offset : self._offset + self.k],
            "version": self._library.version,
        }
        if self._facets:
            counted = [hit["id"] for hit in admitted] if text else list(self._library.fields)
            reply["facets"] = {field: self._count(field, counted) for field in self._facets}
            reply["facets_over"] = "filter"
        return reply

    def _admits(self, name: str) -> bool:
        fields = self._library.fields.get(name, {})
        return self._filter is None or matches(self._filter, Document(name, fields=fields))

    def _count(self, field: str, ids: list[str]) -> dict[str, Any]:
        counts = Counter(
            self._library.fields[name][field]
            for name in ids
            if self._admits(name) and field in self._library.fields.get(name, {})
        )
        most = counts.most_common(self._library.most)
        facet: dict[str, Any] = {"values": [{"value": value, "count": count} for value, count in most]}
        return facet | {"more": True} if len(counts) > len(most) else facet


def _names(data: Any) -> list[str]:
    """The fields that a filter names."""
    if isinstance(data, list):
        return [name for part in data for name in _names(part)]
    if not isinstance(data, dict):
        return []
    own = [key for key in data if key not in {"any", "not"}]
    return own + [name for key in ("any", "not") for name in _names(data.get(key))]
