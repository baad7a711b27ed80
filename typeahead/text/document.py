"""A document: readers make it, indexes keep it, hits show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One thing that can be found. Only ``id`` must not be empty."""

    id: str
    title: str = ""
    text: str = ""
    url: str = ""

    @property
    def passage(self) -> str:
        """The text to encode: title, one space, text, as in the evaluations of the teachers."""
        return f"{self.title} {self.text}".strip()
