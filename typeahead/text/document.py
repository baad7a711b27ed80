"""A document: what readers make, indexes keep and hits show."""

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
        """What is encoded: title, one space, text, as teachers' evaluations do."""
        return f"{self.title} {self.text}".strip()
