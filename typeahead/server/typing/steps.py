"""Which texts are stepped next, and which keystrokes the server has no time for. No event loop, no model.

Whatever is typed while the event loop reads from all clients is one turn. At its end the oldest few are stepped, and
the others wait for the next turn, so a crowd that types at the same moment does not hold up the searches of its first
ones. Without load a keystroke has a turn of its own. Where a turn takes longer than it may, the keystrokes that are
read after that are late: they are turned away at the end of the turn, unless Enter was pressed on them meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from typeahead.core.session import Session
from typeahead.server.typing.query import Query

#: Nanoseconds for which a keystroke that was turned away tells of an overload, and how long that has to last before new
#: people are turned away. A crowd that comes at once, as from a server that died, is busy for less than that.
OVERLOAD_NS: Final = 10**9
LASTING_NS: Final = 2 * 10**9
#: As many queries are stepped at the end of a turn as take this many nanoseconds, by the last turn, but at least
#: :data:`LEAST_A_TURN`. With all that texts may become, 64 queries take 25 ms, in which nobody would be answered.
STEPS_NS: Final = 3_000_000
LEAST_A_TURN: Final = 8


class Overload:
    """Turns queries away, and remembers when that last happened. ``clock`` tells nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._first_ns = 0
        self._last_ns: int | None = None

    @property
    def recent(self) -> bool:
        """Whether a keystroke was turned away within the last second."""
        return self._last_ns is not None and self._clock() - self._last_ns < OVERLOAD_NS

    @property
    def lasting(self) -> bool:
        """Whether keystrokes have been turned away for two seconds, without a second's pause: more people must wait."""
        return self._last_ns is not None and self.recent and self._last_ns - self._first_ns >= LASTING_NS

    def shed(self, query: Query) -> None:
        """Turn a keystroke away; its client is told that the server is overloaded."""
        now_ns = self._clock()
        if not self.recent:
            self._first_ns = now_ns
        self._last_ns = now_ns
        query.shed()


class StepQueue:
    """The queries of one turn.

    ``max_turn_ns`` is how long a turn may take before keystrokes are late, ``knows`` tells whether a session's text
    needs no step, and ``clock`` tells nanoseconds.
    """

    def __init__(self, max_turn_ns: int, knows: Callable[[Session], bool], clock: Callable[[], int]) -> None:
        #: What waits to be stepped, in order of arrival. A dictionary, as anything may be taken out at once.
        self.waiting: dict[Query, None] = {}
        self._late: dict[Query, None] = {}
        self._began_ns: int | None = None
        self._most = LEAST_A_TURN
        self._max_turn_ns = max_turn_ns
        self._knows = knows
        self._clock = clock

    def add(self, query: Query) -> bool:
        """Queue a query; returns whether it begins a turn, which :meth:`end_turn` has to end."""
        now_ns = self._clock()
        if self._began_ns is None:
            self._began_ns = now_ns
            self.waiting[query] = None
            return True
        if now_ns - self._began_ns > self._max_turn_ns and not query.submitted and not self._knows(query.session):
            # Clients that were read before are being served; those that are read after would wait as long again, and
            # are better told so. They are told when all were read, as a newer key of the same person may follow.
            self._late[query] = None
            return False
        self.waiting[query] = None
        if self._late:
            self._late.pop(query, None)
        return False

    def remove(self, query: Query) -> None:
        """Take a query out, if it is there."""
        self.waiting.pop(query, None)
        self._late.pop(query, None)

    def take(self) -> list[Query]:
        """Return what waits to be stepped, and let nothing wait."""
        batch = list(self.waiting)
        self.waiting.clear()
        return batch

    def end_turn(self) -> list[Query]:
        """End the turn; returns the oldest of what waits, to be stepped now.

        :meth:`take_late` has to follow, then :meth:`go_on`.
        """
        self._began_ns = None
        if self._late:
            # Enter may have been read after the keystroke that it is pressed on.
            self.waiting.update((query, None) for query in self._late if query.submitted)
        if len(self.waiting) <= self._most:
            return self.take()
        batch = list(islice(self.waiting, self._most))
        for query in batch:
            del self.waiting[query]
        return batch

    def took(self, queries: int, spent_ns: int) -> None:
        """Hear how long it took to step some queries."""
        self._most = max(LEAST_A_TURN, STEPS_NS * queries // max(spent_ns, 1))

    def go_on(self) -> bool:
        """Begin the next turn if anything is left of the last one; returns whether :meth:`end_turn` has to end it."""
        if not self.waiting or self._began_ns is not None:
            return False
        self._began_ns = self._clock()
        return True

    def take_late(self) -> list[Query]:
        """Return the keystrokes to turn away, and forget them."""
        late = [query for query in self._late if not query.submitted]
        self._late.clear()
        return late
