"""Runs the steps of many sessions, each step once.

What sessions wait for is collected as paths in the tree of token prefixes; the missing nodes of all paths are computed
wave by wave, one batch a wave, or all at once where the states let a step stand behind another of its batch. Then each
session is given a copy of what it reads, and only after that may the tree drop nodes: outside :meth:`Engine.advance`
nobody holds a place in the cache, so nobody can read what has come to lie there since. The tree is in
:mod:`typeahead.core.prefixes`, what was computed in :mod:`typeahead.core.states`, a single person's text in
:mod:`typeahead.core.session`.

Sessions of one scope share the steps of what they type alike. Each session has a scope of its own unless it is given
one, since who shares a cache can tell by the time of a reply what others have typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.prefixes import PrefixTree, Scope
from typeahead.core.session import Session
from typeahead.core.states import ObjectStates, States

#: Sessions that are advanced together: a batch of int8 steps gains little beyond it.
MAX_BATCH = 128
#: Tokens of the sessions that are advanced together, unless one alone has more. The tree is cut back to its capacity
#: in between, so it bounds how far the tree may grow over it: some 12 MB.
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
    An encoder may have a method ``states(slots)`` that makes the :class:`~typeahead.core.states.States` to keep its
    results in; those of any other are kept as objects.
    """

    def __init__(self, encoder: IncrementalEncoder, *, cache_bytes: int = 256 << 20) -> None:
        self.encoder = encoder
        #: Whether a session's ``ahead`` says something else than its ``embedding``.
        self.looks_ahead = getattr(encoder, "readouts", 1) > 1
        self.tree = PrefixTree(
            _states(encoder, 1).slot_bytes,
            capacity=cache_bytes,
            headroom=max(MAX_BATCH_TOKENS, encoder.max_tokens),
        )
        least = self.tree.node_bytes * encoder.max_tokens
        if cache_bytes < least:
            raise ValueError(f"cache_bytes is {cache_bytes}, a text of {encoder.max_tokens} tokens takes {least}")
        self._states = _states(encoder, self.tree.slots)
        self._computed = 0
        self._cached = 0

    @property
    def stats(self) -> EngineStats:
        """What was computed and what was found, and how full the tree is."""
        return EngineStats(self._computed, self._cached, len(self.tree), self.tree.nbytes, self.tree.capacity)

    def scope(self) -> Scope:
        """Begin a scope, for sessions that may share what is remembered of their texts."""
        return self.tree.scope()

    def session(self, *, max_chars: int = 512, scope: Scope | None = None) -> Session:
        """Start a session whose texts have at most ``max_chars`` code points, in a scope of its own if none is given.

        Within a scope everybody can find out, by how long a step takes, whether a text was typed before.
        """
        return Session(self, max_chars, self.scope() if scope is None else scope)

    def advance(self, sessions: Sequence[Session]) -> None:
        """Bring the embedding of each session up to its text.

        Raises :class:`~typeahead.errors.EncoderError` for an embedding that is NaN or infinite, and what the encoder
        raises; sessions that were not reached are still pending then, and nothing of the failed step is remembered.
        """
        batch: list[Session] = []
        tokens = 0
        for session in sessions:
            if not session.pending:
                continue
            if batch and (len(batch) == MAX_BATCH or tokens + len(session.tokens) > MAX_BATCH_TOKENS):
                self._advance(batch)
                batch, tokens = [], 0
            batch.append(session)
            tokens += len(session.tokens)
        if batch:
            self._advance(batch)

    def knows(self, session: Session) -> bool:
        """Whether no step is needed for a session's present text."""
        return self.tree.longest(session.tokens, session.scope)[1] == len(session.tokens)

    def embeddings(self, sessions: Sequence[Session]) -> Vectors:
        """Copy the embeddings that sessions were last given: float32 (n, dim), zeros where there is no token."""
        vectors = np.zeros((len(sessions), self.encoder.dim), np.float32)
        for row, session in enumerate(sessions):
            if session.embedding is not None:
                vectors[row] = session.embedding
        return vectors

    def _advance(self, sessions: Sequence[Session]) -> None:
        tree = self.tree
        paths: list[_Path] = []
        wave: list[_Path] = []
        for session in sessions:
            tokens = session.tokens
            node, depth = tree.longest(tokens, session.scope)
            path = _Path(session, tokens, node, depth)
            paths.append(path)
            self._cached += depth
            session.steps = 0
            if depth < len(tokens):
                wave.append(path)
        try:
            while wave:
                self._step(wave)
                wave = [path for path in wave if path.depth < len(path.tokens)]
            self._hand_over(paths)
        finally:
            # After a step that failed too, as the steps before it have grown the tree.
            for path in paths:
                tree.touch(path.node)
            for slot in tree.evict():
                self._states.forget(slot)

    def _hand_over(self, paths: Sequence[_Path]) -> None:
        """Give each session its copy of what was computed for its tokens."""
        read = self._states.embeddings([self.tree.slot_of(path.node) for path in paths])
        dim = self.encoder.dim
        for path, row in zip(paths, read, strict=True):
            if not path.tokens:
                path.session.take(None, None)
                continue
            if len(paths) > 1:
                # A row would keep the whole array alive as long as any of its sessions.
                row = row.copy()
            row.flags.writeable = False
            embedding = row[:dim]
            path.session.take(embedding, row[-dim:] if self.looks_ahead else embedding)

    def _step(self, wave: Sequence[_Path]) -> None:
        """Move every path one token on, or to its end; paths that share a node and a token share the step."""
        tree = self.tree
        child = tree.child
        chains = self._states.chains
        # The new nodes. One that has no slot yet is known by ~number, which is negative.
        parents: list[int] = []
        tokens: list[int] = []
        new: dict[tuple[int, int], int] = {}
        # Where each path that waits for a new node has got to.
        waiting: list[tuple[_Path, int]] = []
        for path in wave:
            node, end = path.node, len(path.tokens) if chains else path.depth + 1
            while path.depth < end:
                parent, token = node, path.tokens[path.depth]
                path.depth += 1
                known = child(parent, token) if parent >= 0 else None
                if known is not None:
                    node = known
                    self._cached += 1
                    continue
                node = new.setdefault((parent, token), ~len(parents))
                if node == ~len(parents):
                    parents.append(parent)
                    tokens.append(token)
                    path.session.steps += 1
                else:
                    self._cached += 1
            if node >= 0:
                path.node = node
            else:
                waiting.append((path, node))
        if not parents:
            return
        slots = tree.reserve(len(parents))
        parents = [parent if parent >= 0 else slots[~parent] for parent in parents]
        try:
            self._states.step([tree.slot_of(parent) for parent in parents], tokens, slots)
        except BaseException:
            tree.release(slots)
            raise
        tree.insert(parents, tokens, slots)
        self._computed += len(parents)
        for path, node in waiting:
            path.node = slots[~node]


class _Path:
    """How far one session's tokens have been found or computed; it ends before the tree may drop its node."""

    __slots__ = ("depth", "node", "session", "tokens")

    def __init__(self, session: Session, tokens: tuple[int, ...], node: int, depth: int) -> None:
        self.session = session
        self.tokens = tokens
        self.node = node
        self.depth = depth


def _states(encoder: IncrementalEncoder, slots: int) -> States:
    make = getattr(encoder, "states", None)
    return ObjectStates(encoder, slots) if make is None else make(slots)
