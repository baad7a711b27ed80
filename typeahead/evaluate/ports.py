"""What the measurements ask of others: an encoder of whole texts, and somebody who is told how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

#: Told the stage, how much of it is done, and of how much (``None``: unknown);
#: :class:`typeahead.progress.Progress` draws it.
Progress = Callable[[str, int, int | None], None]


class TextEncoder(Protocol):
    """Whole texts in, vectors out: all that is asked of an encoder that is no typing session's."""

    def encode(self, texts: Sequence[str], /) -> NDArray[Any]:
        """Encode texts to floating-point numbers (n, dim)."""
