"""What the server reads of one search result, whatever index found it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Hit(Protocol):
    """One document that a search found."""

    @property
    def id(self) -> str:
        """The document's name."""

    @property
    def score(self) -> float:
        """Similarity, the higher the better."""

    @property
    def title(self) -> str:
        """The title, or an empty string."""

    @property
    def text(self) -> str:
        """The passage."""

    @property
    def url(self) -> str:
        """The address, or an empty string."""

    @property
    def arms(self) -> Sequence[str]:
        """Which arms of a hybrid search found it; empty where there is only one arm."""
