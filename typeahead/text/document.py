"""A document: readers make it, indexes keep it, hits show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: One value of a field, or several of them.
Value = str | int | float | bool
Values = Value | Sequence[Value]


@dataclass(frozen=True, slots=True)
class Document:
    """One thing that can be found. Only ``id`` must not be empty."""

    id: str
    title: str = ""
    text: str = ""
    url: str = ""
    #: What filters look at, by name.
    fields: Mapping[str, Values] = field(default_factory=dict, hash=False)

    @property
    def passage(self) -> str:
        """The text to encode: title, one space, text, as in the evaluations of the teachers."""
        return f"{self.title} {self.text}".strip()
