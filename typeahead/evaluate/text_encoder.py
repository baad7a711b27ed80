"""What the measurements ask of an encoder of whole texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class TextEncoder(Protocol):
    """Encodes whole texts; it needs no typing session."""

    def encode(self, texts: Sequence[str], /) -> NDArray[Any]:
        """Encode texts to floating-point numbers (n, dim)."""
