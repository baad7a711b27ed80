"""One text on its way through the steps, or the fallback, and the search.

A query is the work; who waits for it (a keystroke, a submit, an HTTP request) counts itself in :attr:`Query.wanted`.
The pipeline moves queries from stage to stage and drops those that nobody wants any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from typeahead.core.encoder import Vectors
from typeahead.core.session import Session
from typeahead.search.fusion import Ranking


class Hit(Protocol):
    """What the server reads of a search result."""

    @property
    def id(self) -> str:
        """The document's name."""

    @property
    def score(self) -> float:
        """Similarity, the higher the better."""

    @property
    def title(self) -> str:
        """Title, or empty."""

    @property
    def text(self) -> str:
        """The passage."""

    @property
    def url(self) -> str:
        """Address, or empty."""

    @property
    def arms(self) -> Sequence[str]:
        """Which arms of a hybrid search found it; empty where there is one arm."""


class Stage(IntEnum):
    """How far a query has come."""

    TYPED = 0
    STEPPED = 1
    SEARCHED = 2


class Result(NamedTuple):
    """What a search found for a query."""

    #: As a JSON array.
    written: bytes
    hits: Sequence[Hit]
    #: float32 (dim,) that was searched for.
    sought: Vectors
    search_ns: int
    #: What writing the hits as JSON took.
    serialize_ns: int


class Query:
    """The present text of a session, as work: ``due`` is the stage that it has to reach.

    ``notify`` is called on the event loop each time that the query gets on, and when it fails; ``shown`` says that the
    embedding itself is wanted. Only the event loop writes to a query, but for :attr:`words`, which the thread of the
    lexical arm sets: what a reply shows does not change meanwhile.
    """

    # What most queries never change stands in the class: one is made for each key.
    stage = Stage.TYPED
    failed = False
    #: Whether it failed for want of room.
    shed = False
    #: Whether somebody is typing it, and may go on: what it finds may be what the whole text is going to find.
    typing = False
    #: Whether Enter was pressed on it.
    entered = False
    #: Whether the fallback was asked and failed.
    abandoned = False
    #: Name of the model that encoded the text, empty until then.
    encoder = ""
    #: float32 (dim,); None until the text was encoded, for one without a token, and where nobody needs it.
    embedding: Vectors | None = None
    #: Where the text is going, likewise, if the encoder guesses that and somebody is typing it.
    ahead: Vectors | None = None
    #: JSON array, once searched.
    hits = b"[]"
    #: What the search found that the hits are of, if it was this query's own or would be the same, and the vector that
    #: it was made for.
    found: Sequence[Hit] | None = None
    sought: Vectors | None = None
    #: Whether the hits are not those of the text as it is: an earlier search's, or those of where it is going.
    stood = False
    #: The session's last query that was searched, until this one is.
    last: Query | None = None
    #: Whether its words are being looked up, and what that found; see :mod:`typeahead.search.lexical`.
    asked = False
    words: Ranking | None = None
    tokenize_ns = 0
    step_ns = 0
    search_ns = 0
    #: What writing the hits as JSON took.
    serialize_ns = 0

    def __init__(
        self,
        session: Session,
        k: int,
        due: Stage,
        notify: Callable[[], None],
        *,
        shown: bool = False,
        wanted: int = 0,
        best: bool = False,
    ) -> None:
        self.session = session
        self.k = k
        self.due = due
        self.notify = notify
        self.shown = shown
        #: With whom it shares what is remembered of texts.
        self.scope = session.scope
        #: What is searched for; by the time of the search the session may be further.
        self.text = session.text
        #: How many tokens that is.
        self.tokens = len(session.tokens)
        #: Replies that wait for it.
        self.wanted = wanted
        #: Whether the fallback is asked for this text: it came at once, and who sent it wants the best answer.
        self.best = best

    def take(self, result: Result) -> None:
        """Make what a search found this query's own."""
        self.hits, self.found, self.sought, self.search_ns, self.serialize_ns = result

    @property
    def seeking(self) -> Vectors | None:
        """What is to be searched for: where the text is going while it is typed, the text itself from Enter on.

        So is it behind a search whose results stand already, that Enter finds its own.
        """
        return self.embedding if self.ahead is None or self.entered or self.stood else self.ahead


class Work(Protocol):
    """What a dialogue asks of the pipeline."""

    @property
    def searches(self) -> bool:
        """Whether there is an index."""

    def step(self, query: Query) -> None:
        """Encode the query's text, then search if that is due."""

    def step_now(self, query: Query) -> None:
        """Run the query's steps at once, as its session's text is about to change."""

    def search(self, query: Query) -> None:
        """Search for a query that was stepped."""

    def drop(self, query: Query) -> None:
        """Forget a query that nobody wants; a search that has begun goes on in vain."""
