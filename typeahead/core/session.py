"""One user's typing: edits go in, a ready embedding comes out. It uses no sockets or clock.

A session holds the current text and its tokens; the states are in the engine's tree. :mod:`typeahead.core.engine` runs
the steps, for one session at once (:meth:`Session.update`) or for many together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.prefixes import Scope
from typeahead.core.tokens import check_text
from typeahead.errors import BadEdit, TextTooLong


class SteppingEngine(Protocol):
    """Steps sessions, like :class:`typeahead.core.engine.Engine`."""

    encoder: IncrementalEncoder

    def advance(self, sessions: Sequence[Session]) -> None:
        """Compute the embedding of each session's current text."""


class Session:
    """The text in one search box and its embedding.

    Create sessions with :meth:`Engine.session() <typeahead.core.engine.Engine.session>`. The embedding always equals
    that of the whole current text, regardless of earlier edits. A rejected change leaves text and embedding unchanged.
    A session owns copies of its results, about 1.5 kB, and holds no reference into the cache.
    """

    __slots__ = (
        "_engine",
        "_head",
        "_head_tokens",
        "ahead",
        "embedding",
        "max_chars",
        "pending",
        "scope",
        "steps",
        "text",
        "tokens",
    )

    def __init__(self, engine: SteppingEngine, max_chars: int, scope: Scope) -> None:
        if max_chars < 1:
            raise ValueError(f"max_chars is {max_chars}; it must be at least 1")
        self._engine = engine
        #: Maximum length of the text, in code points.
        self.max_chars = max_chars
        #: The scope whose sessions share cached prefixes with this one.
        self.scope = scope
        #: The current text.
        self.text = ""
        #: Token ids of the text, truncated to the encoder's ``max_tokens``.
        self.tokens: tuple[int, ...] = ()
        #: Whether :attr:`embedding` still belongs to an earlier text.
        self.pending = False
        #: Steps that the last advance computed for this session; 0 if earlier keystrokes or its scope had computed
        #: them.
        self.steps = 0
        #: Embedding of the last text that was advanced: float32 (dim,), read-only; None for a text without tokens.
        self.embedding: Vectors | None = None
        #: The encoder's guess at the embedding of the finished text, in the same format. It is :attr:`embedding` if the
        #: encoder does not guess (``engine.looks_ahead``).
        self.ahead: Vectors | None = None
        # The text before the word being typed, and its tokens.
        self._head = ""
        self._head_tokens: tuple[int, ...] = ()

    def set_text(self, text: str) -> None:
        """Replace the whole text with ``text``; the engine must advance this session afterwards.

        Raises :class:`~typeahead.errors.TextTooLong`, or :class:`~typeahead.errors.TextError` for a lone surrogate.
        """
        self.take_text(text)
        self.tokenize()

    def edit(self, at: int, delete: int, insert: str) -> None:
        """Replace ``delete`` code points from position ``at`` by ``insert``.

        Raises :class:`~typeahead.errors.BadEdit` for a range outside the text, and the errors of :meth:`set_text`.
        """
        self.take_edit(at, delete, insert)
        self.tokenize()

    def take_text(self, text: str) -> None:
        """Do the part of :meth:`set_text` that can fail; after a series of these, call :meth:`tokenize` once."""
        # Inline checks avoid a function call for nearly all texts.
        if type(text) is not str or not text.isascii():
            check_text(text)
        if len(text) > self.max_chars:
            raise TextTooLong(len(text), self.max_chars)
        self.text = text

    def take_edit(self, at: int, delete: int, insert: str) -> None:
        """Do the part of :meth:`edit` that can fail; after a series of these, call :meth:`tokenize` once."""
        text = self.text
        if at < 0 or delete < 0 or at + delete > len(text):
            raise BadEdit(f"an edit of {delete} code points at {at} is outside a text of {len(text)}", position=at)
        if not insert.isascii():
            check_text(insert, what="the inserted text")
        self.take_text(text[:at] + insert + text[at + delete :])

    def tokenize(self) -> None:
        """Update :attr:`tokens` for the current text."""
        encoder = self._engine.encoder
        tokens, self._head, self._head_tokens = encoder.tokenizer.encode_on(self.text, self._head, self._head_tokens)
        if len(tokens) > encoder.max_tokens:
            tokens = tokens[: encoder.max_tokens]
        # A keystroke that does not change the tokens, such as a space, does not change the embedding either.
        if tokens != self.tokens:
            self.tokens = tokens
            self.pending = True
        elif not self.pending:
            self.steps = 0

    def branch(self, text: str) -> Session:
        """Return a session of the same scope for another ``text``; the engine must advance it.

        What both texts begin with is not tokenized again.
        """
        one = Session(self._engine, max(self.max_chars, len(text)), self.scope)
        one.text = text
        one._head, one._head_tokens = self._head, self._head_tokens
        one.tokenize()
        return one

    def update(self, text: str) -> None:
        """Replace the text and compute its embedding at once."""
        self.set_text(text)
        if self.pending:
            self._engine.advance((self,))

    def take(self, embedding: Vectors | None, ahead: Vectors | None) -> None:
        """Store the engine's results for :attr:`tokens`, None if there are no tokens; only the engine calls this."""
        self.embedding, self.ahead = embedding, ahead
        self.pending = False
