"""One text on its way through the steps, or the fallback, and the search.

A query is the work; who waits for it (a keystroke, a submit, an HTTP request) counts itself in :attr:`Query.wanted`.
The pipeline moves queries from stage to stage and drops those that nobody wants any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from typeahead.encoders.base import Vectors
from typeahead.session import Session


class Stage(IntEnum):
    """How far a query has come."""

    TYPED = 0
    STEPPED = 1
    SEARCHED = 2


@dataclass(slots=True, eq=False)
class Query:
    """The present text of a session, as work: ``due`` is the stage that it has to reach.

    Only the event loop writes to it, but for ``hits``, ``search_ns`` and ``serialize_ns``, which the search thread sets
    before it hands the query back.
    """

    session: Session
    k: int
    due: Stage
    #: Called on the event loop each time that the query gets on, and when it fails.
    notify: Callable[[], None]
    #: What is searched for; by the time of the search the session may be further.
    text: str = field(init=False, repr=False)
    #: How many tokens that is.
    tokens: int = field(init=False)
    stage: Stage = Stage.TYPED
    #: Replies that wait for it.
    wanted: int = 0
    failed: bool = False
    #: Whether the fallback is asked for this text: it came at once, and who sent it wants the best answer.
    best: bool = False
    #: Whether the fallback was asked and failed.
    abandoned: bool = False
    #: Name of the model that encoded the text, empty until then.
    encoder: str = ""
    embedding: Vectors | None = None
    #: JSON array, once searched.
    hits: bytes = b"[]"
    tokenize_ns: int = 0
    step_ns: int = 0
    search_ns: int = 0
    #: What writing the hits as JSON took.
    serialize_ns: int = 0

    def __post_init__(self) -> None:
        self.text = self.session.text
        self.tokens = len(self.session.tokens)


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
