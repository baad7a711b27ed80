"""The life of a query: one text on its way through the encoder, or the fallback, and the search.

A query is the work. The replies that wait for it (to a keystroke, a submit or an HTTP request) are counted in
:attr:`Query.wanted`. Its :class:`State` says where it stands. An :class:`Event` moves it on, and each event is a method
of :class:`Query`: nothing outside this file writes to a query. A blank is an event that cannot happen in that state; it
raises ``AssertionError``.

=============  =======  ======  ========  ========  =============  ===========  =======
state          stepped  left    found     stood_in  failed         shed         entered
=============  =======  ======  ========  ========  =============  ===========  =======
TYPED          STEPPED  LEFT                        STEP_FAILED    STEP_SHED    TYPED
LEFT           STEPPED                              STEP_FAILED    STEP_SHED    LEFT
STEPPED                         FOUND     STANDING  SEARCH_FAILED  SEARCH_SHED  STEPPED
STANDING                        FOUND               STANDING                    STEPPED
FOUND                           FOUND               FOUND                       FOUND
STEP_FAILED                                                                     TYPED
STEP_SHED                                                                       TYPED
SEARCH_FAILED                                                                   STEPPED
SEARCH_SHED                                                                     STEPPED
=============  =======  ======  ========  ========  =============  ===========  =======

Two rows may surprise. A query that stands has been answered, and its own search still runs behind the others: if that
search fails, the answer stays. A query that is found may be found again, or fail: Enter can discover that the last
search looked for the very same thing while the query's own search is already under way.

A key and Enter search for the same: the words of the text's reading, and the vector of what the text may become
(:mod:`typeahead.search.asking`). So Enter shows the hits that its key has found, and searches for nothing.

Being dropped is no state. The queues forget a query that nobody wants, but a search that has begun still ends, and its
result is the next key's to reuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, Protocol, Self

from typeahead.core.encoder import Vectors
from typeahead.core.session import Session
from typeahead.errors import SearchError
from typeahead.search.narrowing import NOTHING, Narrowing
from typeahead.search.ranking import Hit
from typeahead.search.reading import Reading
from typeahead.search.terms import Words


class Stage(IntEnum):
    """How far a query has come."""

    TYPED = 0
    STEPPED = 1
    SEARCHED = 2


class State(IntEnum):
    """Where a query stands, with the :attr:`stage` that it has reached and whether it has :attr:`failed`."""

    stage: Stage
    failed: bool
    #: Whether it failed because the server had no room for it.
    shed: bool

    def __new__(cls, value: int, stage: Stage, failed: bool = False, shed: bool = False) -> Self:
        """Make a member with what its queries have in common."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.stage = stage
        member.failed = failed
        member.shed = shed
        return member

    #: It waits to be encoded.
    TYPED = 0, Stage.TYPED
    #: So it does, and the fallback has failed at it: the encoder is its last chance.
    LEFT = 1, Stage.TYPED
    #: It has its embedding, and waits for a search if one is due.
    STEPPED = 2, Stage.STEPPED
    #: It has hits that stand in for its own: those of an earlier search.
    STANDING = 3, Stage.SEARCHED
    #: It has the hits of its own text.
    FOUND = 4, Stage.SEARCHED
    #: Neither the encoder nor the fallback could encode it.
    STEP_FAILED = 5, Stage.TYPED, True
    #: The server had no time to encode it.
    STEP_SHED = 6, Stage.TYPED, True, True
    #: The index failed.
    SEARCH_FAILED = 7, Stage.STEPPED, True
    #: Too many searches waited.
    SEARCH_SHED = 8, Stage.STEPPED, True, True


class Event(StrEnum):
    """What happens to a query; each is a method of :class:`Query` of the same name."""

    #: It was encoded.
    STEPPED = "stepped"
    #: The fallback failed at it and leaves it to the encoder.
    LEFT = "left"
    #: A search found the hits of its own text.
    FOUND = "found"
    #: The hits of an earlier search are shown for it.
    STOOD_IN = "stood_in"
    #: The encoder, or the index, failed at it.
    FAILED = "failed"
    #: It was turned away because the server is overloaded.
    SHED = "shed"
    #: Enter was pressed on it.
    ENTERED = "entered"


#: The state after each event, by the state before it: the table of this module's docstring.
TRANSITIONS: Final[Mapping[Event, Mapping[State, State]]] = {
    Event.STEPPED: {State.TYPED: State.STEPPED, State.LEFT: State.STEPPED},
    Event.LEFT: {State.TYPED: State.LEFT},
    Event.FOUND: {State.STEPPED: State.FOUND, State.STANDING: State.FOUND, State.FOUND: State.FOUND},
    Event.STOOD_IN: {State.STEPPED: State.STANDING},
    Event.FAILED: {
        State.TYPED: State.STEP_FAILED,
        State.LEFT: State.STEP_FAILED,
        State.STEPPED: State.SEARCH_FAILED,
        State.STANDING: State.STANDING,
        State.FOUND: State.FOUND,
    },
    Event.SHED: {State.TYPED: State.STEP_SHED, State.LEFT: State.STEP_SHED, State.STEPPED: State.SEARCH_SHED},
    Event.ENTERED: {
        State.TYPED: State.TYPED,
        State.LEFT: State.LEFT,
        State.STEPPED: State.STEPPED,
        State.STANDING: State.STEPPED,
        State.FOUND: State.FOUND,
        State.STEP_FAILED: State.TYPED,
        State.STEP_SHED: State.TYPED,
        State.SEARCH_FAILED: State.STEPPED,
        State.SEARCH_SHED: State.STEPPED,
    },
}
# The events of every key: to look a member up in its class takes a tenth of a microsecond.
_STEPPED, _FOUND = Event.STEPPED, Event.FOUND


class Result(NamedTuple):
    """What a search found for a query."""

    #: The hits as a JSON array.
    written: bytes
    hits: Sequence[Hit]
    #: The vector that was searched for, float32 (dim,), and the words beside it.
    sought: Vectors | None
    words: Words | None
    #: The version of the documents that were searched.
    version: str
    #: How long the search took, and writing its hits as JSON; 0 where an earlier search is reused.
    search_ns: int = 0
    serialize_ns: int = 0
    #: Whether even the best hit is a poor one.
    weak: bool = False
    #: The facets as a part of a reply (:func:`typeahead.wire.replies.write_facets`), empty for none.
    facets: bytes = b""
    #: Whether hits may be missing, because a part of the documents could not be searched in time.
    partial: bool = False


class Room(Protocol):
    """Where a query is read and searched for: the documents of an index, or a part of them."""

    @property
    def behind(self) -> bool:
        """Whether a keystroke that is typed now would wait for too long."""

    @property
    def stale(self) -> bool:
        """Whether its documents may have changed meanwhile in a database that cannot be read."""

    def read(self, text: str, before: Reading | None) -> Reading:
        """Return what a text asks for; an earlier reading of the same session saves some of the work."""

    def search(self, query: Query) -> None:
        """Search for a query that was read."""

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants."""


class Query:
    """A session's text as work. ``due`` is the stage that it has to reach.

    ``room`` is where it is searched for, None without an index, and ``narrowing`` says which documents count there.

    ``notify`` is called on the event loop each time the query gets on or fails. ``shown`` says that somebody wants the
    embedding itself. ``best`` asks the fallback for it, because the text came at once and its sender wants the best
    answer. Hits that score less than ``min_score`` are not shown. ``wanted`` replies wait for it. ``submitted`` says
    that Enter was pressed already, so it is never turned away. ``last`` is the session's last query with a search of
    its own. ``tokenize_ns`` is what tokenizing took. ``request`` is whose it is, for the log.

    All methods are called on the event loop.
    """

    # What most queries never change stands in the class: one is made for each key.
    state = State.TYPED
    #: How far it has come, as its :attr:`state` says.
    stage = Stage.TYPED
    #: Name of the model that encoded the text, empty until then.
    encoder = ""
    #: The text's own, float32 (dim,), which clients may ask for. If this query's client did not, it may be that of what
    #: the text may become. None until the text was encoded, for a text without a token, and where nobody needs it.
    embedding: Vectors | None = None
    #: What the text asks for, and the vector to search for, float32 (dim,). None until :meth:`read`.
    reading: Reading | None = None
    sought: Vectors | None = None
    #: What to show: a JSON array.
    hits = b"[]"
    #: Whether even the best of these hits is a poor one.
    weak = False
    #: Whether hits may be missing, because a part of the documents could not be searched in time.
    partial = False
    #: The version of the documents that these hits are of, and their facets as a part of a reply; empty for none.
    version = ""
    facets = b""
    #: Why its search was refused, if it was the query's own fault.
    refusal: SearchError | None = None
    #: What its own search found, or one for the same vector and words.
    result: Result | None = None
    #: How long the batch took that encoded it.
    step_ns = 0

    def __init__(
        self,
        session: Session,
        k: int,
        due: Stage,
        notify: Callable[[], None],
        *,
        room: Room | None = None,
        narrowing: Narrowing = NOTHING,
        shown: bool = False,
        best: bool = False,
        min_score: float = 0.0,
        wanted: int = 0,
        submitted: bool = False,
        last: Query | None = None,
        tokenize_ns: int = 0,
        request: str = "",
    ) -> None:
        self.session = session
        self.k = k
        self.due = due
        self.notify = notify
        self.room = room
        self.narrowing = narrowing
        self.shown = shown
        self.best = best
        self.min_score = min_score
        self.wanted = wanted
        self.submitted = submitted
        self.last = last
        self.tokenize_ns = tokenize_ns
        self.request = request
        #: With whom it shares what is remembered of texts.
        self.scope = session.scope
        #: What is searched for. By the time of the search the session may be further.
        self.text = session.text
        #: How many tokens that is.
        self.tokens = len(session.tokens)

    @classmethod
    def of_nothing(cls, session: Session, k: int, notify: Callable[[], None]) -> Query:
        """Make the query of a session in which nothing was typed: it has found nothing, and that is right."""
        query = cls(session, k, Stage.SEARCHED, notify)
        query.state, query.stage = State.FOUND, Stage.SEARCHED
        return query

    def release(self) -> None:
        """Count one reply less that waits for it."""
        self.wanted -= 1

    def stepped(self, embedding: Vectors | None, *, encoder: str = "", step_ns: int = 0) -> None:
        """Take the text's embedding, float32 (dim,), from the model named ``encoder``."""
        self._move(_STEPPED)
        self.embedding = embedding
        self.encoder = encoder
        self.step_ns = step_ns
        self.notify()

    def read(self, reading: Reading, sought: Vectors | None) -> None:
        """Take what the text asks for, and the vector to search for, float32 (dim,)."""
        self.reading = reading
        self.sought = sought

    def left(self, session: Session) -> None:
        """Leave the text to the encoder, in a session of its own, as its first session may be further."""
        self._move(Event.LEFT)
        self.session = session

    def found(self, result: Result | None) -> None:
        """Take the hits of the text itself; None where there is no token to search for."""
        self._move(_FOUND)
        if result is not None:
            self._take(result)
        self.notify()

    def stood_in(self, hits: bytes, weak: bool = False, version: str = "", facets: bytes = b"") -> None:
        """Show ``hits`` of the last search, a JSON array, until its own are there; ``weak`` if all of them are poor."""
        self._move(Event.STOOD_IN)
        self.hits = hits
        self.weak = weak
        self.version = version
        self.facets = facets
        self.notify()

    def failed(self) -> None:
        """Give up at the stage that it is in. A query that has hits keeps them."""
        before = self.state
        self._move(Event.FAILED)
        if self.state is not before:
            self.notify()

    def refused(self, error: SearchError) -> None:
        """Fail because the query asks for what cannot be searched, such as a field that no document has."""
        self.refusal = error
        self.failed()

    def shed(self) -> None:
        """Turn it away, as the server is overloaded. That never happens once Enter was pressed."""
        assert not self.submitted, "Enter is never turned away"
        self._move(Event.SHED)
        self.notify()

    def entered(self, needs: Stage) -> bool:
        """Count one more reply, to Enter, that waits for the stage ``needs``; it changes what is due.

        Returns whether somebody has to work on the query again, because it had failed, it was answered with hits that
        are not good enough for Enter, or it was not due to come so far.
        """
        before = self.state
        self.submitted = True
        self.refusal = None
        self.wanted += 1
        self._move(Event.ENTERED)
        resumed = before is not self.state or self.due < needs
        self.due = needs
        return resumed and self.stage < needs

    def _take(self, result: Result) -> None:
        self.hits = result.written
        self.weak = result.weak
        self.partial = result.partial
        self.version = result.version
        self.facets = result.facets
        self.result = result
        self.last = None

    def _move(self, event: Event) -> None:
        after = TRANSITIONS[event].get(self.state)
        if after is None:
            raise AssertionError(f"{event.name} cannot happen to a query that is {self.state.name}: see {__name__}")
        self.state = after
        self.stage = after.stage
