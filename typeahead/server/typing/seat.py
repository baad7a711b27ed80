"""A client's place in a room: its session, what narrows its searches, and the queries that its texts become."""

from __future__ import annotations

from collections.abc import Callable

from typeahead.core.session import Session
from typeahead.errors import TextError
from typeahead.server.typing.due import DueStage
from typeahead.server.typing.query import Query, Room, Stage
from typeahead.wire.protocol import Edit, Hello, Narrow, Text, refuse_text


class Seat:
    """What a dialogue types into. ``room`` is None without an index, and ``session`` is the room's.

    ``hello`` is what the client agreed on; ``wake`` is called each time one of the queries gets on; ``request`` is the
    name of the websocket in the log.
    """

    def __init__(
        self, room: Room | None, session: Session, hello: Hello, wake: Callable[[], None], request: str = ""
    ) -> None:
        self._request = request
        self.room = room
        self.session = session
        self._hello = hello
        self._wake = wake
        self._due = DueStage(searches=room is not None)
        #: What lasts from message to message, and what counts for the present one.
        self._lasting = self.narrowing = hello.narrowing

    @property
    def at_enter(self) -> Stage:
        """What is due once Enter was pressed."""
        return self._due.at_enter

    def take(self, message: Text | Edit | Narrow) -> None:
        """Change the text, and what narrows it; both, or neither and raise :class:`~typeahead.errors.ProtocolError`."""
        try:
            if type(message) is Text:
                self.session.take_text(message.text)
            elif type(message) is Edit:
                self.session.take_edit(message.at, message.delete, message.insert)
        except TextError as error:
            raise refuse_text(error, message.seq) from None
        change = message.change
        if change is not None:
            self._lasting = change.kept(self._lasting)
        self.narrowing = self._lasting if change is None else change.moved(self._lasting)

    def nothing(self) -> Query:
        """Make the query of a text that nobody has typed."""
        return Query.of_nothing(self.session, self._hello.k, self._wake)

    def query(self, before: Query, tokenize_ns: int, *, owed: bool, best: bool) -> Query:
        """Make the query of the present text; ``before`` is the last one, ``owed`` if a search that was due never came.

        ``best`` asks the fallback for it.
        """
        hello = self._hello
        # The same text among other documents is another search.
        owed = owed or self.narrowing != before.narrowing
        return Query(
            self.session,
            hello.k,
            self._due.of(self.session.text, hello.search, owed=owed),
            self._wake,
            room=self.room,
            narrowing=self.narrowing,
            shown=hello.dtype is not None,
            best=best,
            min_score=hello.min_score,
            wanted=1,
            last=before.last if before.result is None else before,
            tokenize_ns=tokenize_ns,
            request=self._request,
        )
