"""How many requests of one kind are read per second: a token bucket that holds one second's worth."""

from __future__ import annotations

import time
from collections.abc import Callable


class Allowance:
    """Admits ``per_second`` requests a second, and none if that is 0. ``clock`` returns seconds."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = float(per_second)
        self._clock = clock
        self._left = self._per_second
        self._filled_at = clock()

    def take(self) -> bool:
        """Return whether one more request may be read now."""
        now = self._clock()
        self._left = min(self._per_second, self._left + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
