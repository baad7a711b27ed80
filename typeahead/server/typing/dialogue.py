"""One client's dialogue: frames in, replies out in the order of ``seq``. No sockets, no threads.

:class:`~typeahead.wire.conversation.Conversation` says what a client may send. The dialogue makes of it the session's
text, the queries of that text, and the replies that wait for them. It alone decides what is due.

The latest keystroke wins: the next keystroke replaces a reply to a keystroke that was not yet taken for sending. So a
dialogue holds at most one reply to a keystroke, however fast its client types and however slowly it reads. Submits and
errors are all answered; :attr:`Dialogue.full` says when no more of them should be read. Of keystrokes that are read
together, only the last one is work (:meth:`Dialogue.hear`, :meth:`Dialogue.settle`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from typeahead.core.session import Session
from typeahead.errors import ProtocolError
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.observe.tracing import SessionTrace
from typeahead.server.typing.fallback import came_at_once
from typeahead.server.typing.query import Query, Room, Stage, State
from typeahead.server.typing.seat import Seat
from typeahead.server.typing.turns import Turn, TurnWriter
from typeahead.wire.access import Grant
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import (
    CLOSE_POLICY,
    Edit,
    Hello,
    Message,
    Narrow,
    Quality,
    SearchMode,
    Submit,
    Text,
    close_code,
)
from typeahead.wire.replies import Reply, write_error

_STANDING = State.STANDING
_BEST = Quality.BEST
_TYPED, _SEARCHED = Stage.TYPED, Stage.SEARCHED


class Work(Protocol):
    """What a dialogue asks of the pipeline."""

    def step(self, query: Query) -> None:
        """Encode the query's text, then search if that is due."""

    def step_now(self, query: Query) -> None:
        """Encode the query's text at once, as its session's text is about to change."""

    def search(self, query: Query) -> None:
        """Search for a query that was stepped."""

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a dialogue ends, as a websocket close code and reason."""

    code: int
    reason: str


class Dialogue:
    """What one client said, what is still to be answered, and what to send next.

    ``room`` is where its texts are searched for, None without an index, and ``session`` is the room's. ``enter``, if
    given, is called with what a hello grants, and has to lead to :meth:`entered` or :meth:`refused`, at once or later.
    ``greet`` writes the answer to a hello; ``wake`` is called whenever :meth:`take` may have something new; ``clock``
    tells nanoseconds. With ``timings``, not only operators see where the time of their replies went. ``trace`` is told
    of each reply, where there are traces. ``request`` is the name of the websocket in the log.
    """

    def __init__(
        self,
        conversation: Conversation,
        session: Session,
        work: Work,
        metrics: ServerMetrics,
        *,
        room: Room | None,
        enter: Callable[[Grant], None] | None = None,
        greet: Callable[[Hello], bytes],
        wake: Callable[[], None],
        clock: Callable[[], int],
        max_pending: int,
        timings: bool = False,
        trace: SessionTrace | None = None,
        request: str = "",
    ) -> None:
        self._conversation = conversation
        self._work = work
        self._metrics = metrics
        self._greet = greet
        self._wake = wake
        self._clock = clock
        self._max_pending = max_pending
        self._timings = timings
        self._trace = trace
        self._writer = TurnWriter(metrics, trace, clock, request)
        self._enter = enter
        #: Whether a room is sought: nothing may be heard until it was entered.
        self.waiting = False
        self._replies: deque[Turn | bytes] = deque()
        #: The turn of the last keystroke, until its reply was taken.
        self._keystroke: Turn | None = None
        #: The keystroke that the text was last changed by, until it is known whether another one follows at once.
        self._heard: tuple[int, int] | None = None
        self.closing: Closing | None = None
        self._sit_down(room, session)

    def _sit_down(self, room: Room | None, session: Session) -> None:
        self._seat = Seat(room, session, self._conversation.hello, self._wake, self._writer.request)
        self._query = self._seat.nothing()

    @property
    def authorized(self) -> bool:
        """Whether the client may type; False until it has shown a token, where one is asked for."""
        return self._conversation.authorized

    @property
    def grant(self) -> Grant | None:
        """What the client may do, None before it has shown a token that is needed."""
        return self._conversation.grant

    @property
    def full(self) -> bool:
        """Whether as many replies wait as are allowed: nothing should be read until some were taken."""
        return len(self._replies) >= self._max_pending or self.waiting

    @property
    def finished(self) -> bool:
        """Whether the dialogue is closing and nothing is left to answer."""
        return self.closing is not None and not self._replies

    def receive(self, frame: str | bytes) -> None:
        """Take a text frame, as text or as its payload; :meth:`take` has the answer. Raises as :meth:`hear` does."""
        self.hear(frame)
        self.settle()

    def hear(self, frame: str | bytes) -> None:
        """Do as :meth:`receive`, but let a keystroke wait for the next frame, which may overtake it.

        That saves most of its work. When no frame is left to hear, :meth:`settle` has to follow. Raises
        ``UnicodeDecodeError`` for a frame that is not UTF-8, which ends a websocket.
        """
        if self.closing is not None:
            return
        arrived_ns = self._clock()
        try:
            self._act(self._conversation.receive(frame), arrived_ns)
        except ProtocolError as error:
            self._refuse(error)

    def settle(self) -> None:
        """Answer the keystroke that was heard last."""
        if self._heard is not None:
            seq, arrived_ns = self._heard
            self._heard = None
            self._answer(seq, arrived_ns, self._seat.session.text)

    def receive_binary(self) -> None:
        """Take a binary frame from the client, which is refused."""
        if self.closing is not None:
            return
        try:
            self._conversation.receive_binary()
        except ProtocolError as error:
            self._refuse(error)

    def entered(self, room: Room | None, session: Session) -> None:
        """Answer the hello, and go on in a room with a session of that room."""
        self._sit_down(room, session)
        self.waiting = False
        self._reply(self._greet(self._conversation.hello))

    def refused(self, error: ProtocolError) -> None:
        """Answer the hello with the reason why there is no room for it, and close."""
        self.waiting = False
        self._reply(write_error(error))
        self.close(close_code(error) or CLOSE_POLICY, error.code)

    def take(self) -> Reply | None:
        """Return the next reply that may be sent, None if there is none yet."""
        replies = self._replies
        if not replies:
            return None
        head = replies[0]
        if type(head) is bytes:
            replies.popleft()
            return head, None
        assert isinstance(head, Turn)
        query = head.query
        if query.stage < head.needs and not query.state.failed:
            return None
        replies.popleft()
        query.release()
        if head is self._keystroke:
            self._keystroke = None
        grant = self._conversation.grant
        timed = self._timings or (grant is not None and grant.timings)
        return self._writer.write(head, self._conversation.hello.dtype, timed=timed)

    def close(self, code: int, reason: str) -> None:
        """Read no more, answer what is pending, then end."""
        if self.closing is None:
            self._conversation.close()
            self.waiting = False
            self.closing = Closing(code, reason)
            self._wake()

    def abandon(self) -> None:
        """Drop all that is pending: the client is gone."""
        self._conversation.close()
        for reply in self._replies:
            if isinstance(reply, Turn):
                self._leave(reply)
                if reply is self._keystroke:
                    self._metrics.keystrokes["cancelled"].add()
        self._replies.clear()
        self._keystroke = None
        if self._trace is not None:
            self._trace.close()

    def _refuse(self, error: ProtocolError) -> None:
        self.settle()  # what came before is answered before
        self._metrics.keystrokes["error"].add()
        self._reply(write_error(error))
        if (code := close_code(error)) is not None:
            self.close(code, error.code)

    def _act(self, message: Message, arrived_ns: int) -> None:
        kind = type(message)
        if kind is Text or kind is Edit or kind is Narrow:
            self._type(message, arrived_ns)  # type: ignore[arg-type]
        elif isinstance(message, Submit):
            self.settle()
            self._submit(message.seq, arrived_ns)
        else:
            assert isinstance(message, Hello)
            if self._enter is None:
                self.entered(self._seat.room, self._seat.session)
                return
            assert self._conversation.grant is not None, "a hello is read only of those who may search"
            self.waiting = True
            self._enter(self._conversation.grant)

    def _type(self, message: Text | Edit | Narrow, arrived_ns: int) -> None:
        before = self._query
        if before.stage is _TYPED and not before.state.failed:
            submits = before.wanted - (0 if self._keystroke is None else 1)
            if submits:
                self._work.step_now(before)  # they wait for the text that is about to go
        text = self._seat.session.text
        self._seat.take(message)
        if self._conversation.hello.quality is _BEST:
            # Which encoder a text has is decided key by key.
            self._answer(message.seq, arrived_ns, text)
            return
        if self._heard is not None:
            self._metrics.keystrokes["superseded"].add()
        self._heard = message.seq, arrived_ns

    def _answer(self, seq: int, arrived_ns: int, text_before: str) -> None:
        """Have the session's text, as it is after keystroke ``seq``, encoded and searched."""
        session, work, before = self._seat.session, self._work, self._query
        started_ns = self._clock()
        tokens = session.tokens
        session.tokenize()
        tokenize_ns = self._clock() - started_ns
        if (overtaken := self._keystroke) is not None:
            self._replies.remove(overtaken)
            self._leave(overtaken)
            self._metrics.keystrokes["superseded"].add()
        if before.state is _STANDING:
            work.drop(before)
        # A key that changes no token, such as a space, changes no encoder.
        best = self._conversation.hello.quality is _BEST and (
            came_at_once(text_before, session.text) or (before.best and session.tokens == tokens)
        )
        # A search that was due and did not come is still due.
        owed = overtaken is not None and overtaken.needs is _SEARCHED
        query = self._query = self._seat.query(before, tokenize_ns, owed=owed, best=best)
        self._keystroke = Turn(seq, query, query.due, arrived_ns)
        self._replies.append(self._keystroke)
        work.step(query)

    def _submit(self, seq: int, arrived_ns: int) -> None:
        query = self._query
        needs = self._seat.at_enter
        resumed = query.entered(needs)
        # A client that searches at Enter only was promised an embedding before it, not hits.
        promised = Stage.STEPPED if self._conversation.hello.search is SearchMode.SUBMIT else needs
        ready = query.stage >= promised
        self._metrics.submits[ready].add()
        self._replies.append(Turn(seq, query, needs, arrived_ns, query.stage, ready))
        if query.stage >= needs:
            self._wake()
        elif resumed:
            if query.stage is Stage.STEPPED:
                self._work.search(query)
            else:
                self._work.step(query)

    def _leave(self, turn: Turn) -> None:
        turn.query.release()
        if not turn.query.wanted:
            self._work.drop(turn.query)

    def _reply(self, frame: bytes) -> None:
        self._replies.append(frame)
        self._wake()
