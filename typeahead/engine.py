"""Runs the steps of many sessions, each step once.

What sessions wait for is collected as paths in the tree of token prefixes; the missing nodes of all paths are computed
wave by wave, one batch a wave. Two sessions that type the same words share the steps. The tree is in
:mod:`typeahead.prefixes`, a single person's text in :mod:`typeahead.session`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from typeahead.encoders.base import IncrementalEncoder, Vectors
from typeahead.errors import EncoderError
from typeahead.prefixes import Node, PrefixTree
from typeahead.session import Session

#: Sessions that are advanced together: a batch of int8 steps gains little beyond it.
MAX_BATCH = 128
#: Tokens of the sessions that are advanced together, unless one alone has more. The tree is cut back to its capacity
#: in between, so it bounds how far the tree may grow over it: some 15 to 20 MB.
MAX_BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since the engine was made, and the tree's present size."""

    steps_computed: int
    steps_cached: int
    nodes: int
    bytes: int
    capacity: int


class Engine:
    """An encoder with a tree of token prefixes. One thread at a time.

    ``cache_bytes`` bounds the tree between batches; it must hold at least one path of the encoder's ``max_tokens``.
    """

    def __init__(self, encoder: IncrementalEncoder, *, cache_bytes: int = 256 << 20) -> None:
        self.encoder = encoder
        self.tree = PrefixTree(encoder.start(), encoder.dim, capacity=cache_bytes)
        least = self.tree.node_bytes * encoder.max_tokens
        if cache_bytes < least:
            raise ValueError(f"cache_bytes is {cache_bytes}, a text of {encoder.max_tokens} tokens takes {least}")
        self._computed = 0
        self._cached = 0

    @property
    def stats(self) -> EngineStats:
        """What was computed and what was found, and how full the tree is."""
        return EngineStats(self._computed, self._cached, len(self.tree), self.tree.nbytes, self.tree.capacity)

    def session(self, *, max_chars: int = 512) -> Session:
        """Start a session whose texts have at most ``max_chars`` code points."""
        return Session(self, max_chars)

    def tokens(self, text: str) -> tuple[int, ...]:
        """Token ids of ``text``, cut where the encoder cuts."""
        return self.encoder.tokenizer.encode(text)[: self.encoder.max_tokens]

    def advance(self, sessions: Sequence[Session]) -> None:
        """Bring the embedding of each session up to its text.

        Raises :class:`~typeahead.errors.EncoderError` for an embedding that is NaN or infinite, and what the encoder
        raises; sessions that were not reached are still pending then, and nothing of the failed step is remembered.
        """
        batch: list[Session] = []
        tokens = 0
        for session in sessions:
            if batch and (len(batch) == MAX_BATCH or tokens + len(session.tokens) > MAX_BATCH_TOKENS):
                self._advance(batch)
                batch, tokens = [], 0
            batch.append(session)
            tokens += len(session.tokens)
        self._advance(batch)

    def _advance(self, sessions: Sequence[Session]) -> None:
        paths: list[_Path] = []
        for session in sessions:
            if session.pending:
                node, depth = self.tree.longest(session.tokens)
                paths.append(_Path(session, node, depth))
                self._cached += depth
                session.steps = 0
        wave = [path for path in paths if path.depth < len(path.session.tokens)]
        try:
            while wave:
                self._step(wave)
                wave = [path for path in wave if path.depth < len(path.session.tokens)]
            for path in paths:
                path.session.embedding = path.node.embedding
                path.session.pending = False
        finally:
            # After a step that failed too, as the steps before it have grown the tree.
            for path in paths:
                self.tree.touch(path.node)
            self.tree.evict()

    def _step(self, wave: Sequence[_Path]) -> None:
        """Move every path one token on; paths that share a node and a token share the step."""
        if len(wave) == 1:
            path = wave[0]
            token = path.session.tokens[path.depth]
            states, embeddings = self.encoder.step((path.node.state,), np.array((token,), np.int64))
            check_vector(embeddings[0])
            path.move(self.tree.insert(path.node, token, states[0], _frozen(embeddings[0])), computed=True)
            self._computed += 1
            return
        rows: dict[tuple[Node, int], Node | None] = {}
        for path in wave:
            token = path.session.tokens[path.depth]
            rows[path.node, token] = path.node.children.get(token)
        new = [step for step, child in rows.items() if child is None]
        if new:
            states, embeddings = self.encoder.step(
                [node.state for node, _ in new], np.array([token for _, token in new], np.int64)
            )
            for embedding in embeddings:
                check_vector(embedding)
            for row, (node, token) in enumerate(new):
                # A copy: a row of the batch would keep the whole batch in memory.
                child = self.tree.insert(node, token, states[row], _frozen(embeddings[row].copy()))
                rows[node, token] = child
            self._computed += len(new)
        paid = set(new)
        for path in wave:
            step = path.node, path.session.tokens[path.depth]
            found = rows[step]
            assert found is not None
            path.move(found, computed=step in paid)
            if step not in paid:
                self._cached += 1
            paid.discard(step)


def check_vector(vector: Vectors) -> None:
    """Raise :class:`~typeahead.errors.EncoderError` for an embedding, float32 (dim,), that is NaN or infinite."""
    # One product, as it is done at each step: 0.6 µs against 4 for isfinite() and all().
    if not math.isfinite(vector @ vector):
        raise EncoderError("the encoder gave a vector that is NaN or infinite: its weights or its runtime are broken")


def _frozen(embedding: np.ndarray) -> np.ndarray:
    """Sessions hand out the cached array itself, so nobody may write to it."""
    embedding.flags.writeable = False
    return embedding


class _Path:
    """How far one session's tokens have been found or computed."""

    __slots__ = ("depth", "node", "session")

    def __init__(self, session: Session, node: Node, depth: int) -> None:
        self.session = session
        self.node = node
        self.depth = depth

    def move(self, node: Node, *, computed: bool) -> None:
        self.node = node
        self.depth += 1
        self.session.steps += computed
