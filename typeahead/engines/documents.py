"""Documents as an engine has them: what was read of one, and what its fields may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from typeahead.core.encoder import Vectors
from typeahead.index.kinds import LONGEST_NAME, kind_of
from typeahead.text.document import Document, Passage, Value, Values


class Read(NamedTuple):
    """A document as the engine has it."""

    document: Document
    passages: tuple[Passage, ...]
    #: Names the version of the document. It is different once the document was written again.
    stamp: str
    #: float32 (passages, dim), where they were asked for.
    vectors: Vectors | None = None


def fields_of(data: Mapping[str, Any]) -> dict[str, Values]:
    """Make fields of JSON. What no field can have is left out: objects, and null."""
    found: dict[str, Values] = {}
    for name, values in data.items():
        if not 0 < len(name) <= LONGEST_NAME:
            continue
        if isinstance(values, list):
            found[name] = [one for one in values if kind_of(one) is not None]
        elif kind_of(values) is not None:
            found[name] = values
    return found


def values_of(document: Document, name: str) -> set[Value]:
    """The different values of a field."""
    values = document.fields.get(name, ())
    return {values} if isinstance(values, str | int | float) else set(values)
