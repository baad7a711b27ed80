"""How long it takes to encode a whole text on this machine: what the dashboard compares keystrokes with.

A search box without an incremental encoder has the teacher encode the whole text when somebody pauses or presses Enter.
If such an encoder is loaded anyway, as the passage encoder or the fallback, it is timed once at the start. Otherwise
the dashboard shows no comparison.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from typeahead.core.encoder import Encoder, IncrementalEncoder

#: Typical queries: short, usual and long. Times in between are interpolated by length.
TEXTS: Final = (
    "egg",
    "how long to boil an egg",
    "how long do i have to boil an egg so that the white is firm and the yolk is still soft in the middle",
)
_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class TeacherCost:
    """The median time that ``encoder`` took for a text: ``points`` are (code points, microseconds), by length."""

    encoder: str
    runs: int
    points: tuple[tuple[int, int], ...]

    def snapshot(self) -> dict[str, Any]:
        """Return the cost as plain data."""
        return asdict(self)


def whole_text_encoder(encoders: Iterable[Encoder | None]) -> Encoder | None:
    """Return the first encoder that encodes only whole texts, or None if there is none."""
    for encoder in encoders:
        if encoder is not None and not isinstance(encoder, IncrementalEncoder):
            return encoder
    return None


def measure(encoder: Encoder, *, clock: Callable[[], int] = time.perf_counter_ns) -> TeacherCost:
    """Time ``encoder``, which has to be warm, on each of :data:`TEXTS`. Takes a fraction of a second."""
    points = []
    for text in TEXTS:
        spent = []
        for _ in range(_RUNS):
            started_ns = clock()
            encoder.encode([text])
            spent.append(clock() - started_ns)
        points.append((len(text), round(statistics.median(spent) / 1000)))
    return TeacherCost(encoder.config.name, _RUNS, tuple(points))
