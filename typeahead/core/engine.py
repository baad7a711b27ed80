"""Runs the steps of many sessions, each step only once.

The engine collects the texts of waiting sessions as paths in the tree of token prefixes. It computes the missing nodes
of all paths in waves, one batch per wave; if the states allow a step to follow another step of its own batch, one batch
computes them all. Each session then gets a copy of its result, and only after that may the tree evict nodes. Outside
:meth:`Engine.advance`, nothing holds a slot of the cache, so no session can read a slot that has been reused. The tree
is in :mod:`typeahead.core.prefixes`, the computed states are in :mod:`typeahead.core.states`, and one user's text is in
:mod:`typeahead.core.session`.

Sessions in the same scope share the steps of common prefixes. By default each session has its own scope, because users
who share a cache can infer from reply times what others have typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.prefixes import PrefixTree, Scope
from typeahead.core.session import Session
from typeahead.core.states import ObjectStates, States

#: Sessions advanced together: larger batches of int8 steps gain little.
MAX_BATCH = 128
#: Tokens of all sessions advanced together, unless a single session has more. The tree is trimmed to its capacity
#: between batches, so this limits how far it can overshoot: about 12 MB.
MAX_BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since the engine was created, and the tree's current size."""

    steps_computed: int
    steps_cached: int
    nodes: int
    bytes: int
    capacity: int


class Engine:
    """An encoder with a tree of token prefixes. Use it from one thread at a time.

    ``cache_bytes`` limits the tree between batches; it must hold at least one path of the encoder's ``max_tokens``. An
    encoder may have a method ``states(slots)`` that makes the :class:`~typeahead.core.states.States` for its results.
    For all other encoders the engine keeps states as objects.
    """

    def __init__(self, encoder: IncrementalEncoder, *, cache_bytes: int = 256 << 20) -> None:
        self.encoder = encoder
        #: Whether a session's ``ahead`` differs from its ``embedding``.
        self.looks_ahead = getattr(encoder, "readouts", 1) > 1
        self.tree = PrefixTree(
            _states(encoder, 1).slot_bytes,
            capacity=cache_bytes,
            headroom=max(MAX_BATCH_TOKENS, encoder.max_tokens),
        )
        least = self.tree.node_bytes * encoder.max_tokens
        if cache_bytes < least:
            raise ValueError(f"cache_bytes is {cache_bytes}, but a text of {encoder.max_tokens} tokens needs {least}")
        self._states = _states(encoder, self.tree.slots)
        self._computed = 0
        self._cached = 0

    @property
    def stats(self) -> EngineStats:
        """Steps computed and steps found in the cache, and how full the tree is."""
        return EngineStats(self._computed, self._cached, len(self.tree), self.tree.nbytes, self.tree.capacity)

    def scope(self) -> Scope:
        """Begin a scope for sessions that may share cached prefixes."""
        return self.tree.scope()

    def session(self, *, max_chars: int = 512, scope: Scope | None = None) -> Session:
        """Start a session for texts of at most ``max_chars`` code points, in its own scope unless you pass one.

        Within a scope, any user can find out from the duration of a step whether a text was typed before.
        """
        return Session(self, max_chars, self.scope() if scope is None else scope)

    def advance(self, sessions: Sequence[Session]) -> None:
        """Compute the embedding of each session's current text.

        Raises :class:`~typeahead.errors.EncoderError` if an embedding is NaN or infinite, and passes on the encoder's
        own errors. Sessions that were not reached then stay pending, and the cache keeps nothing of the failed step.
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
        """Whether the session's current text is fully cached and needs no steps."""
        return self.tree.longest(session.tokens, session.scope)[1] == len(session.tokens)

    def embeddings(self, sessions: Sequence[Session]) -> Vectors:
        """Copy the sessions' latest embeddings: float32 (n, dim), zeros for a text without tokens."""
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
            # Also after a failed step: the steps before it have grown the tree.
            for path in paths:
                tree.touch(path.node)
            for slot in tree.evict():
                self._states.forget(slot)

    def _hand_over(self, paths: Sequence[_Path]) -> None:
        """Give each session a copy of the results for its tokens."""
        read = self._states.embeddings([self.tree.slot_of(path.node) for path in paths])
        dim = self.encoder.dim
        for path, row in zip(paths, read, strict=True):
            if not path.tokens:
                path.session.take(None, None)
                continue
            if len(paths) > 1:
                # A view would keep the whole array in memory as long as any of its sessions.
                row = row.copy()
            row.flags.writeable = False
            embedding = row[:dim]
            path.session.take(embedding, row[-dim:] if self.looks_ahead else embedding)

    def _step(self, wave: Sequence[_Path]) -> None:
        """Move every path forward by one token, or to its end; paths with the same node and token share the step."""
        tree = self.tree
        child = tree.child
        chains = self._states.chains
        # The new nodes. A node without a slot so far is identified by ~number, which is negative.
        parents: list[int] = []
        tokens: list[int] = []
        new: dict[tuple[int, int], int] = {}
        # The position of each path that waits for a new node.
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
    """How far one session's tokens were found or computed. A path is discarded before the tree may evict its node."""

    __slots__ = ("depth", "node", "session", "tokens")

    def __init__(self, session: Session, tokens: tuple[int, ...], node: int, depth: int) -> None:
        self.session = session
        self.tokens = tokens
        self.node = node
        self.depth = depth


def _states(encoder: IncrementalEncoder, slots: int) -> States:
    make = getattr(encoder, "states", None)
    return ObjectStates(encoder, slots) if make is None else make(slots)
