"""One client's dialogue: frames in, replies out in the order of ``seq``. No sockets, no threads.

:class:`~typeahead.wire.conversation.Conversation` says what a client may send; here is what becomes of it: the
session's text, the query that it makes, and the replies that wait for it. The latest keystroke wins: while a reply to
a keystroke has not been taken for sending, the next keystroke replaces it. So one dialogue holds at most one reply to
a keystroke, however fast its client types and however slowly it reads; submits and errors are all answered, and
:attr:`Dialogue.full` says when no more of them should be read. Of keystrokes that were read together, the last one
alone is work (:meth:`Dialogue.hear`, :meth:`Dialogue.settle`). The sockets are in
:mod:`typeahead.server.typing.connection`, the work in :mod:`typeahead.server.typing.pipeline`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from typeahead.core.session import Session
from typeahead.errors import ProtocolError, TextError
from typeahead.server.observe.metrics import ServerMetrics
from typeahead.server.observe.tracing import SessionTrace
from typeahead.server.typing.fallback import came_at_once
from typeahead.server.typing.query import Query, Stage, Work
from typeahead.wire.access import Access
from typeahead.wire.conversation import Conversation
from typeahead.wire.protocol import Edit, Hello, Message, Quality, SearchMode, Submit, Text, close_code, refuse_text
from typeahead.wire.replies import Reply, write_embedding, write_error, write_overloaded, write_reply

#: The word that is still being typed. Scripts that do not put spaces between words end one with each character.
_OPEN_WORD = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\Z")


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a dialogue ends, as a websocket close code and reason."""

    code: int
    reason: str


class _Turn:
    """A keystroke or submit that has to be answered once its query has reached ``needs``.

    ``stage`` is how far the query was when it arrived; for a submit, ``ready`` says whether its answer was there.
    """

    __slots__ = ("arrived_ns", "needs", "query", "ready", "seq", "stage")

    def __init__(
        self,
        seq: int,
        query: Query,
        needs: Stage,
        arrived_ns: int,
        stage: Stage = Stage.TYPED,
        ready: bool | None = None,
    ) -> None:
        self.seq = seq
        self.query = query
        self.needs = needs
        self.arrived_ns = arrived_ns
        self.stage = stage
        self.ready = ready


class Dialogue:
    """What one client said, what is still to be answered, and what to send next.

    ``greet`` writes the answer to a hello; ``wake`` is called whenever :meth:`take` may have something new, and
    ``clock`` tells nanoseconds. ``timings`` lets a client see where the time of its replies went who is no operator.
    ``trace`` is told of each reply, where there are traces.
    """

    def __init__(
        self,
        conversation: Conversation,
        session: Session,
        work: Work,
        metrics: ServerMetrics,
        *,
        greet: Callable[[Hello], bytes],
        wake: Callable[[], None],
        clock: Callable[[], int],
        max_pending: int,
        timings: bool = False,
        trace: SessionTrace | None = None,
    ) -> None:
        self._conversation = conversation
        self._session = session
        self._work = work
        self._searches = work.searches
        self._metrics = metrics
        self._greet = greet
        self._wake = wake
        self._clock = clock
        self._max_pending = max_pending
        self._timings = timings
        self._trace = trace
        self._replies: deque[_Turn | bytes] = deque()
        self._keystroke: _Turn | None = None
        #: The keystroke that the text was last changed by, until it is known whether another one follows at once.
        self._heard: tuple[int, int] | None = None
        # Before the first key there is nothing to compute.
        self._query = self._new_query(Stage.SEARCHED, None)
        self._query.stage = Stage.SEARCHED
        self._searched_words = ""
        self.closing: Closing | None = None

    @property
    def authorized(self) -> bool:
        """Whether the client may type; False until it has shown a token, where one is asked for."""
        return self._conversation.authorized

    @property
    def full(self) -> bool:
        """Whether as many replies wait as are allowed: nothing should be read until some were taken."""
        return len(self._replies) >= self._max_pending

    @property
    def finished(self) -> bool:
        """Whether the dialogue is closing and nothing is left to answer."""
        return self.closing is not None and not self._replies

    def receive(self, frame: str | bytes) -> None:
        """Take a text frame from the client, as text or as its payload; the answer comes out of :meth:`take`.

        Raises ``UnicodeDecodeError`` for one that is not UTF-8, which ends a websocket.
        """
        self.hear(frame)
        self.settle()

    def hear(self, frame: str | bytes) -> None:
        """Do as :meth:`receive`, but let a keystroke wait for the frame after it, which may overtake it.

        That spares most of its work. When no frame is left to hear, :meth:`settle` has to follow.
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
            self._answer(seq, arrived_ns, self._session.text)

    def receive_binary(self) -> None:
        """Take a binary frame from the client, which is refused."""
        if self.closing is not None:
            return
        try:
            self._conversation.receive_binary()
        except ProtocolError as error:
            self._refuse(error)

    def take(self) -> Reply | None:
        """Return the next reply that may be sent, None if there is none yet."""
        replies = self._replies
        if not replies:
            return None
        head = replies[0]
        if type(head) is bytes:
            replies.popleft()
            return head, None
        assert isinstance(head, _Turn)
        query = head.query
        if query.stage < head.needs and not query.failed:
            return None
        replies.popleft()
        query.wanted -= 1
        if head is self._keystroke:
            self._keystroke = None
        return self._write(head)

    def close(self, code: int, reason: str) -> None:
        """Read no more, answer what is pending, then end."""
        if self.closing is None:
            self._conversation.close()
            self.closing = Closing(code, reason)
            self._wake()

    def abandon(self) -> None:
        """Drop all that is pending: the client is gone."""
        self._conversation.close()
        for reply in self._replies:
            if isinstance(reply, _Turn):
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
        if kind is Text or kind is Edit:
            self._type(message, arrived_ns)  # type: ignore[arg-type]
        elif isinstance(message, Submit):
            self.settle()
            self._submit(message.seq, arrived_ns)
        else:
            assert isinstance(message, Hello)
            self._query.k = message.k
            self._reply(self._greet(message))

    def _type(self, message: Text | Edit, arrived_ns: int) -> None:
        session, before = self._session, self._query
        submits = before.wanted - (0 if self._keystroke is None else 1)
        if before.stage is Stage.TYPED and submits:
            self._work.step_now(before)  # they wait for the text that is about to go
        text = session.text
        try:
            if type(message) is Text:
                session.take_text(message.text)
            else:
                assert type(message) is Edit
                session.take_edit(message.at, message.delete, message.insert)
        except TextError as error:
            raise refuse_text(error, message.seq) from None
        if self._conversation.hello.quality is Quality.BEST:
            # Which encoder a text has is decided key by key.
            self._answer(message.seq, arrived_ns, text)
            return
        if self._heard is not None:
            self._metrics.keystrokes["superseded"].add()
        self._heard = message.seq, arrived_ns

    def _answer(self, seq: int, arrived_ns: int, text_before: str) -> None:
        """Have the session's text, as it is after keystroke ``seq``, encoded and searched."""
        session, work, before = self._session, self._work, self._query
        started_ns = self._clock()
        tokens = session.tokens
        session.tokenize()
        if (overtaken := self._keystroke) is not None:
            self._replies.remove(overtaken)
            self._leave(overtaken)
            self._metrics.keystrokes["superseded"].add()
        # A search that was due and did not come is due still.
        owed = overtaken is not None and overtaken.needs is Stage.SEARCHED
        if before.stood:
            work.drop(before)
        query = self._query = self._new_query(self._due(owed=owed), before)
        query.tokenize_ns = self._clock() - started_ns
        if self._conversation.hello.quality is Quality.BEST:
            # A key that changes no token, such as a space, changes no encoder.
            query.best = came_at_once(text_before, session.text) or (before.best and session.tokens == tokens)
        query.wanted = 1
        self._keystroke = _Turn(seq, query, query.due, arrived_ns)
        self._replies.append(self._keystroke)
        work.step(query)

    def _submit(self, seq: int, arrived_ns: int) -> None:
        query = self._query
        needs = Stage.SEARCHED if self._searches else Stage.STEPPED
        stood = query.stood
        if stood:
            # What stands for a keystroke does not for Enter, and its own search has not been made yet.
            query.stage, query.stood = Stage.STEPPED, False
        # Who wants a search at Enter only has been promised an embedding before it, not results.
        promised = min(needs, Stage.STEPPED) if self._conversation.hello.search is SearchMode.SUBMIT else needs
        ready = query.stage >= promised
        self._metrics.submits[ready].add()
        query.wanted += 1
        query.entered = True
        self._replies.append(_Turn(seq, query, needs, arrived_ns, query.stage, ready))
        if query.stage >= needs:
            self._wake()
        elif query.failed or query.due < needs or stood:
            query.failed = query.shed = False
            query.due = needs
            if query.stage is Stage.STEPPED:
                self._work.search(query)
            else:
                self._work.step(query)

    def _due(self, *, owed: bool) -> Stage:
        """How far the session's present text has to come by itself; ``owed`` if a search was overtaken."""
        mode = self._conversation.hello.search
        if not self._searches or mode is SearchMode.SUBMIT:
            return Stage.STEPPED
        if mode is SearchMode.WORD:
            words = _OPEN_WORD.sub("", self._session.text).rstrip()
            if words == self._searched_words and not owed:
                return Stage.STEPPED
            self._searched_words = words
        return Stage.SEARCHED

    def _new_query(self, due: Stage, before: Query | None) -> Query:
        hello = self._conversation.hello
        query = Query(self._session, hello.k, due, self._wake, shown=hello.dtype is not None)
        query.typing = True
        if before is not None:
            query.last = before.last if before.found is None else before
        return query

    def _leave(self, turn: _Turn) -> None:
        turn.query.wanted -= 1
        if not turn.query.wanted:
            self._work.drop(turn.query)

    def _reply(self, frame: bytes) -> None:
        self._replies.append(frame)
        self._wake()

    def _write(self, turn: _Turn) -> Reply:
        query, metrics = turn.query, self._metrics
        keystroke = turn.ready is None
        if query.failed and query.stage < turn.needs:
            if keystroke:
                metrics.keystrokes["overloaded" if query.shed else "error"].add()
            if query.shed:
                return write_overloaded(turn.seq), None
            message = "the server could not answer this: its log says why"
            return write_error(ProtocolError("internal", message, seq=turn.seq)), None
        total_ns = self._clock() - turn.arrived_ns
        # A submit has not paid for what was done before it.
        tokenize_ns = query.tokenize_ns if keystroke else 0
        step_ns = query.step_ns if turn.stage < Stage.STEPPED else 0
        search_ns = serialize_ns = 0
        if turn.stage < turn.needs is Stage.SEARCHED:
            search_ns, serialize_ns = min(query.search_ns, total_ns), min(query.serialize_ns, total_ns)
        queue_ns = max(0, total_ns - tokenize_ns - step_ns - search_ns - serialize_ns)
        timing_us = None
        if self._timings or self._conversation.access is Access.OPERATOR:
            timing_us = (
                queue_ns // 1000,
                tokenize_ns // 1000,
                step_ns // 1000,
                search_ns // 1000,
                serialize_ns // 1000,
                total_ns // 1000,
            )
        text = write_reply(
            turn.seq,
            query.hits if turn.needs is Stage.SEARCHED else None,
            timing_us,
            ready=turn.ready,
            encoder=query.encoder,
        )
        dtype = self._conversation.hello.dtype
        reply = text, None if dtype is None else write_embedding(turn.seq, query.embedding, dtype)
        if keystroke:
            metrics.keystrokes["served"].add()
        # What its own writing took, a reply cannot tell.
        whole_ns = self._clock() - turn.arrived_ns
        stages_ns = (queue_ns, tokenize_ns, step_ns, search_ns, serialize_ns + whole_ns - total_ns)
        chars, tokens = len(query.text), query.tokens
        metrics.replied(turn.arrived_ns, whole_ns, stages_ns, chars, tokens, not keystroke)
        if self._trace is not None:
            self._trace.replied(turn.arrived_ns, whole_ns, stages_ns, chars=chars, tokens=tokens, ready=turn.ready)
        return reply
