"""One client's dialogue: frames in, replies out in the order of ``seq``. No sockets, no threads.

:class:`~typeahead.protocol.Conversation` says what a client may send; here is what becomes of it: the session's text,
the query that it makes, and the replies that wait for it. The latest keystroke wins: while a reply to a keystroke has
not been taken for sending, the next keystroke replaces it. So one dialogue holds at most one reply to a keystroke,
however fast its client types and however slowly it reads; submits and errors are all answered, and
:attr:`Dialogue.full` says when no more of them should be read. The sockets are in
:mod:`typeahead.server.connection`, the work in :mod:`typeahead.server.pipeline`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from typeahead.errors import ProtocolError, TextError
from typeahead.protocol import (
    Conversation,
    Edit,
    Hello,
    Message,
    Quality,
    SearchMode,
    Submit,
    Text,
    close_code,
    refuse_text,
)
from typeahead.replies import write_embedding, write_error, write_reply
from typeahead.server.fallback import came_at_once
from typeahead.server.metrics import ServerMetrics
from typeahead.server.query import Query, Stage, Work
from typeahead.server.tracing import SessionTrace
from typeahead.session import Session

#: The word that is still being typed. Scripts that do not put spaces between words end one with each character.
_OPEN_WORD = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\Z")


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a dialogue ends, as a websocket close code and reason."""

    code: int
    reason: str


@dataclass(slots=True, eq=False)
class _Turn:
    """A keystroke or submit that has to be answered once its query has reached ``needs``."""

    seq: int
    query: Query
    needs: Stage
    arrived_ns: int
    #: How far the query was by then.
    stage: Stage = Stage.TYPED
    #: For a submit: whether its answer was there when it arrived.
    ready: bool | None = None

    @property
    def done(self) -> bool:
        return self.query.stage >= self.needs or self.query.failed


class Dialogue:
    """What one client said, what is still to be answered, and what to send next.

    ``greet`` writes the answer to a hello; ``wake`` is called whenever :meth:`take` may have something new, and
    ``clock`` tells nanoseconds. ``trace`` is told of each reply, where there are traces.
    """

    def __init__(
        self,
        conversation: Conversation,
        session: Session,
        work: Work,
        metrics: ServerMetrics,
        *,
        greet: Callable[[Hello], str],
        wake: Callable[[], None],
        clock: Callable[[], int],
        max_pending: int,
        trace: SessionTrace | None = None,
    ) -> None:
        self._conversation = conversation
        self._session = session
        self._work = work
        self._metrics = metrics
        self._greet = greet
        self._wake = wake
        self._clock = clock
        self._max_pending = max_pending
        self._trace = trace
        self._replies: deque[_Turn | str] = deque()
        self._keystroke: _Turn | None = None
        # Before the first key there is nothing to compute.
        self._query = self._new_query(Stage.SEARCHED)
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
        """Take one frame from the client. Whatever it holds, the answer comes out of :meth:`take`."""
        if self.closing is not None:
            return
        arrived_ns = self._clock()
        try:
            self._act(self._conversation.receive(frame), arrived_ns)
        except ProtocolError as error:
            self._metrics.keystrokes["error"].add()
            self._reply(write_error(error))
            if (code := close_code(error)) is not None:
                self.close(code, error.code)

    def take(self) -> list[str | bytes]:
        """Return the frames of the next reply that may be sent, none if there is none yet."""
        if not self._replies:
            return []
        head = self._replies[0]
        if isinstance(head, str):
            self._replies.popleft()
            return [head]
        if not head.done:
            return []
        self._replies.popleft()
        head.query.wanted -= 1
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

    def _act(self, message: Message, arrived_ns: int) -> None:
        if isinstance(message, Text | Edit):
            self._type(message, arrived_ns)
        elif isinstance(message, Submit):
            self._submit(message.seq, arrived_ns)
        else:
            self._query.k = message.k
            self._reply(self._greet(message))

    def _type(self, message: Text | Edit, arrived_ns: int) -> None:
        session, work = self._session, self._work
        before = self._query
        submits = before.wanted - (0 if self._keystroke is None else 1)
        if before.stage is Stage.TYPED and submits:
            work.step_now(before)  # they wait for the text that is about to go
        started_ns = self._clock()
        text, tokens = session.text, session.tokens
        try:
            if isinstance(message, Text):
                session.set_text(message.text)
            else:
                session.edit(message.at, message.delete, message.insert)
        except TextError as error:
            raise refuse_text(error, message.seq) from None
        if (overtaken := self._keystroke) is not None:
            self._replies.remove(overtaken)
            self._leave(overtaken)
            self._metrics.keystrokes["superseded"].add()
        # A search that was due and did not come is due still.
        owed = overtaken is not None and overtaken.needs is Stage.SEARCHED
        query = self._query = self._new_query(self._due(owed=owed))
        query.tokenize_ns = self._clock() - started_ns
        if self._conversation.hello.quality is Quality.BEST:
            # A key that changes no token, such as a space, changes no encoder.
            query.best = came_at_once(text, session.text) or (before.best and session.tokens == tokens)
        query.wanted = 1
        self._keystroke = _Turn(message.seq, query, query.due, arrived_ns)
        self._replies.append(self._keystroke)
        work.step(query)

    def _submit(self, seq: int, arrived_ns: int) -> None:
        query = self._query
        needs = Stage.SEARCHED if self._work.searches else Stage.STEPPED
        # Who wants a search at Enter only has been promised an embedding before it, not results.
        promised = min(needs, Stage.STEPPED) if self._conversation.hello.search is SearchMode.SUBMIT else needs
        ready = query.stage >= promised
        self._metrics.submits[ready].add()
        query.wanted += 1
        self._replies.append(_Turn(seq, query, needs, arrived_ns, query.stage, ready))
        if query.stage >= needs:
            self._wake()
        elif query.failed or query.due < needs:
            query.failed = False
            query.due = needs
            if query.stage is Stage.STEPPED:
                self._work.search(query)
            else:
                self._work.step(query)

    def _due(self, *, owed: bool) -> Stage:
        """How far the session's present text has to come by itself; ``owed`` if a search was overtaken."""
        mode = self._conversation.hello.search
        if not self._work.searches or mode is SearchMode.SUBMIT:
            return Stage.STEPPED
        if mode is SearchMode.WORD:
            words = _OPEN_WORD.sub("", self._session.text).rstrip()
            if words == self._searched_words and not owed:
                return Stage.STEPPED
            self._searched_words = words
        return Stage.SEARCHED

    def _new_query(self, due: Stage) -> Query:
        return Query(self._session, self._conversation.hello.k, due, self._wake)

    def _leave(self, turn: _Turn) -> None:
        turn.query.wanted -= 1
        if not turn.query.wanted:
            self._work.drop(turn.query)

    def _reply(self, frame: str) -> None:
        self._replies.append(frame)
        self._wake()

    def _write(self, turn: _Turn) -> list[str | bytes]:
        query, metrics = turn.query, self._metrics
        if query.failed and query.stage < turn.needs:
            if turn.ready is None:
                metrics.keystrokes["error"].add()
            message = "the server could not answer this: its log says why"
            return [write_error(ProtocolError("internal", message, seq=turn.seq))]
        total_ns = self._clock() - turn.arrived_ns
        # A submit has not paid for what was done before it.
        searched = turn.stage < turn.needs is Stage.SEARCHED
        stages = {
            "tokenize": query.tokenize_ns if turn.ready is None else 0,
            "step": query.step_ns if turn.stage < Stage.STEPPED else 0,
            "search": min(query.search_ns, total_ns) if searched else 0,
            "serialize": min(query.serialize_ns, total_ns) if searched else 0,
        }
        stages = {"queue": max(0, total_ns - sum(stages.values())), **stages}
        if turn.ready is None:
            metrics.keystrokes["served"].add()
        timing_us = {name: spent // 1000 for name, spent in stages.items()} | {"total": total_ns // 1000}
        hits = query.hits if turn.needs is Stage.SEARCHED else None
        frames: list[str | bytes] = [write_reply(turn.seq, hits, timing_us, ready=turn.ready, encoder=query.encoder)]
        if (dtype := self._conversation.hello.dtype) is not None:
            frames.append(write_embedding(turn.seq, query.embedding, dtype))
        # What its own writing took, a reply cannot tell.
        whole_ns = self._clock() - turn.arrived_ns
        stages["serialize"] += whole_ns - total_ns
        stages_ns, chars, tokens = tuple(stages.values()), len(query.text), query.tokens
        metrics.replied(turn.arrived_ns, whole_ns, stages_ns, chars=chars, tokens=tokens, submit=turn.ready is not None)
        if self._trace is not None:
            self._trace.replied(turn.arrived_ns, whole_ns, stages_ns, chars=chars, tokens=tokens, ready=turn.ready)
        return frames
