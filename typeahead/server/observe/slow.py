"""The slowest replies of the last minutes, for the dashboard: how long the text was, and where the time went.

The text itself is never kept, nor who typed it. The histograms of :mod:`typeahead.server.observe.metrics` say how many
replies were slow; this says what they had in common: long texts, many tokens, a queue.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

#: Replies that are kept of each minute, and the number of minutes.
KEPT: Final = 16
MINUTES: Final = 5

_MINUTE_NS: Final = 60 * 10**9


@dataclass(frozen=True, slots=True, order=True)
class SlowReply:
    """One reply. Replies compare by how long they took."""

    total_ns: int
    #: When the keystroke or submit arrived, by the clock that times keystrokes.
    arrived_ns: int
    #: Code points and tokens of the whole text.
    chars: int
    tokens: int
    submit: bool
    #: Nanoseconds by stage, in the order of :data:`~typeahead.server.observe.metrics.STAGES`.
    stages_ns: tuple[int, ...]
    #: The name of the websocket in the log.
    request: str


class SlowKeystrokes:
    """The :data:`KEPT` slowest replies of each of the last :data:`MINUTES` minutes, in bounded memory."""

    def __init__(self) -> None:
        self._minutes: deque[list[SlowReply]] = deque([[]], maxlen=MINUTES)
        #: When this minute ends.
        self.until_ns = 0
        #: The time that a reply has to exceed to be among the slowest of this minute.
        self.floor_ns = -1

    def keep(
        self,
        total_ns: int,
        arrived_ns: int,
        chars: int,
        tokens: int,
        submit: bool,
        stages_ns: tuple[int, ...],
        request: str = "",
    ) -> None:
        """Keep a reply if it is among the slowest of its minute.

        Nearly all are not, so callers compare with :attr:`floor_ns` and :attr:`until_ns` first: that takes less than a
        call.
        """
        if arrived_ns >= self.until_ns:
            self._turn(arrived_ns)
        minute = self._minutes[-1]
        reply = SlowReply(total_ns, arrived_ns, chars, tokens, submit, stages_ns, request)
        if len(minute) < KEPT:
            heapq.heappush(minute, reply)
        else:
            heapq.heappushpop(minute, reply)
        if len(minute) == KEPT:
            self.floor_ns = minute[0].total_ns

    def _turn(self, now_ns: int) -> None:
        """Begin a new minute. A minute without a reply has no list."""
        self.until_ns = now_ns + _MINUTE_NS
        self.floor_ns = -1
        self._minutes.append([])

    def snapshot(self, now_ns: int, stages: Iterable[str]) -> list[dict[str, Any]]:
        """Return the slowest replies of the last :data:`MINUTES` minutes as plain data, the slowest first."""
        names = tuple(stages)
        oldest_ns = now_ns - MINUTES * _MINUTE_NS
        kept = (reply for minute in self._minutes for reply in minute if reply.arrived_ns >= oldest_ns)
        return [
            {
                "age_s": round((now_ns - reply.arrived_ns) * 1e-9, 1),
                "total_us": reply.total_ns // 1000,
                "chars": reply.chars,
                "tokens": reply.tokens,
                "submit": reply.submit,
                "request_id": reply.request,
                "stages_us": {name: spent // 1000 for name, spent in zip(names, reply.stages_ns, strict=True)},
            }
            for reply in heapq.nlargest(KEPT, kept)
        ]


def merge_slow(snapshots: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Combine the snapshots of several processes: the slowest of all."""
    found = [reply for snapshot in snapshots for reply in snapshot]
    return heapq.nlargest(KEPT, found, key=lambda reply: reply["total_us"])
