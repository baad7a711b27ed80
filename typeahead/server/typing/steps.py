"""Which texts are stepped next, and which keystrokes the server has no time for. No event loop, no model.

Whatever is typed while the event loop reads from all clients is one batch: a turn. Under load batches grow; without
load a keystroke is a batch of its own. Where a turn takes longer than it may, the keystrokes that are read after that
are late: they are turned away at the end of the turn, unless Enter was pressed on them meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from typeahead.core.session import Session
from typeahead.server.typing.query import Query

#: Nanoseconds for which new people are turned away after a keystroke was.
OVERLOAD_NS: Final = 10**9


class Overload:
    """Turns queries away, and remembers when that last happened. ``clock`` tells nanoseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._last_ns: int | None = None

    @property
    def recent(self) -> bool:
        """Whether a keystroke was turned away within the last second: there is no room for more people."""
        return self._last_ns is not None and self._clock() - self._last_ns < OVERLOAD_NS

    def shed(self, query: Query) -> None:
        """Turn a keystroke away; its client is told that the server is overloaded."""
        self._last_ns = self._clock()
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
        """End the turn; returns what is left of it to be stepped. :meth:`take_late` has to follow."""
        self._began_ns = None
        if self._late:
            # Enter may have been read after the keystroke that it is pressed on.
            self.waiting.update((query, None) for query in self._late if query.submitted)
        return self.take()

    def take_late(self) -> list[Query]:
        """Return the keystrokes to turn away, and forget them."""
        late = [query for query in self._late if not query.submitted]
        self._late.clear()
        return late
