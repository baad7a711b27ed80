"""One person's typing: edits in, ready embedding out. No sockets, no clock.

A session knows the present text and its tokens; the states live in the engine's tree. :mod:`typeahead.core.engine` runs
the steps, for one session at once (:meth:`Session.update`) or for many together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.prefixes import Scope
from typeahead.core.tokens import check_text
from typeahead.errors import BadEdit, TextTooLong


class Stepper(Protocol):
    """What steps sessions: :class:`typeahead.core.engine.Engine`."""

    encoder: IncrementalEncoder

    def advance(self, sessions: Sequence[Session]) -> None:
        """Bring the embedding of each session up to its text."""


class Session:
    """The text in one search box and its embedding.

    Made by :meth:`Engine.session() <typeahead.core.engine.Engine.session>`. Whatever the edits before, the embedding is
    that of the whole present text. A change that is refused leaves text and embedding as they were. A session owns what
    it was given of the cache, some 1.5 kB, and refers to nothing in there.
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

    def __init__(self, engine: Stepper, max_chars: int, scope: Scope) -> None:
        if max_chars < 1:
            raise ValueError(f"max_chars is {max_chars}, it must be at least 1")
        self._engine = engine
        #: Longest text that is taken, in code points.
        self.max_chars = max_chars
        #: With whom it shares what is remembered of texts.
        self.scope = scope
        #: The present text.
        self.text = ""
        #: Its token ids, cut at the encoder's ``max_tokens``.
        self.tokens: tuple[int, ...] = ()
        #: Whether :attr:`embedding` still belongs to an earlier text.
        self.pending = False
        #: Steps that the last advance computed for this session; 0 where earlier keys or its scope had done them.
        self.steps = 0
        #: float32 (dim,), read-only, of the last text that was advanced; None for a text without a token.
        self.embedding: Vectors | None = None
        #: Where that text is going, likewise: the embedding that the finished text may have, by the encoder's guess. It
        #: is :attr:`embedding` for an encoder that does not guess (``engine.looks_ahead``).
        self.ahead: Vectors | None = None
        # What stands before the word that is being typed, and its tokens.
        self._head = ""
        self._head_tokens: tuple[int, ...] = ()

    def set_text(self, text: str) -> None:
        """Take ``text`` as the whole present text; the engine has still to advance this session.

        Raises :class:`~typeahead.errors.TextTooLong`, or :class:`~typeahead.errors.TextError` for a lone surrogate.
        """
        self.take_text(text)
        self.tokenize()

    def edit(self, at: int, delete: int, insert: str) -> None:
        """Replace ``delete`` code points from position ``at`` by ``insert``.

        Raises :class:`~typeahead.errors.BadEdit` for a range outside the text, and what :meth:`set_text` raises.
        """
        self.take_edit(at, delete, insert)
        self.tokenize()

    def take_text(self, text: str) -> None:
        """Do the part of :meth:`set_text` that may be refused: :meth:`tokenize` has to follow the last of several."""
        # Checks that need no call, for the texts that nearly all are.
        if type(text) is not str or not text.isascii():
            check_text(text)
        if len(text) > self.max_chars:
            raise TextTooLong(len(text), self.max_chars)
        self.text = text

    def take_edit(self, at: int, delete: int, insert: str) -> None:
        """Do the part of :meth:`edit` that may be refused: :meth:`tokenize` has to follow the last of several."""
        text = self.text
        if at < 0 or delete < 0 or at + delete > len(text):
            raise BadEdit(f"an edit of {delete} code points at {at} lies outside a text of {len(text)}", position=at)
        if not insert.isascii():
            check_text(insert, what="the inserted text")
        self.take_text(text[:at] + insert + text[at + delete :])

    def tokenize(self) -> None:
        """Bring :attr:`tokens` up to the text that was taken."""
        encoder = self._engine.encoder
        tokens, self._head, self._head_tokens = encoder.tokenizer.encode_on(self.text, self._head, self._head_tokens)
        if len(tokens) > encoder.max_tokens:
            tokens = tokens[: encoder.max_tokens]
        # Keys that leave the tokens alone, such as a space, leave the embedding alone too.
        if tokens != self.tokens:
            self.tokens = tokens
            self.pending = True
        elif not self.pending:
            self.steps = 0

    def update(self, text: str) -> None:
        """Take ``text`` and compute its embedding at once."""
        self.set_text(text)
        if self.pending:
            self._engine.advance((self,))

    def take(self, embedding: Vectors | None, ahead: Vectors | None) -> None:
        """Take, for good, what the engine read for :attr:`tokens`, None if there are none; the engine calls it."""
        self.embedding, self.ahead = embedding, ahead
        self.pending = False
