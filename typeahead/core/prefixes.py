"""The cache: which token prefixes are known, in one tree for all sessions, bounded in bytes.

A node is a token prefix and has a number, its slot; its parent is the prefix without the last token. What the encoder
computed for it lies in the same slot of :mod:`typeahead.core.states`; stepping is done by :mod:`typeahead.core.engine`.
A slot's number is good until the next :meth:`PrefixTree.evict` and no longer, so nobody keeps one: sessions look their
tokens up at each key and copy what they read. Whatever the cache drops is computed again, and nothing else changes. The
least recently used leaves go first.

Prefixes lie below the root of a *scope*, which is a person or people who trust each other. A cached prefix answers
sooner than one that is not, so a tree that strangers share tells each of them what the others typed. Scopes have no
node in common; they share the slots and the bound.

The tree is one dictionary from (parent's number, token), packed into one integer, to the child's slot. Integers are
nothing to the garbage collector, where an object for each node, with a dictionary of children, is what its full passes
walk through while every session waits.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import NewType

import numpy as np

#: The slot of the start state, which stands for the root of every scope.
ROOT = 0

#: Whose typing may share what is remembered, as :meth:`PrefixTree.scope` gives it.
Scope = NewType("Scope", int)

#: Token ids have 32 bits in every tokenizer.
_TOKEN_BITS = 32
#: Bytes of a node beside its state and embedding: its entry in the dictionary (a dictionary that has just grown is a
#: third full), the two integers there, and its places in the arrays of this module.
_OVERHEAD = 3 * 32 + sys.getsizeof(1 << 40) + sys.getsizeof(1 << 20) + 40
#: Leaves that are lined up to be dropped, since to find the oldest takes a look at all nodes.
_LINED_UP = 4096


class PrefixTree:
    """Token prefixes that were encoded, at most ``capacity`` bytes of them after each :meth:`evict`.

    ``slot_bytes`` are those of a state with its embedding; ``headroom`` is how many nodes may be inserted beyond the
    capacity before :meth:`evict`. Slots lie below :attr:`slots`; the numbers from there on are the roots of scopes, in
    which nothing is kept: see :meth:`slot_of`. Not thread-safe.
    """

    def __init__(self, slot_bytes: int, *, capacity: int, headroom: int) -> None:
        self.capacity = capacity
        self.node_bytes = slot_bytes + _OVERHEAD
        self._limit = capacity // self.node_bytes
        self.slots = 1 + self._limit + headroom
        self._children: dict[int, int] = {}
        # By slot: the node's parent and token, how many children it has, and the batch that last used it, 0 for a free
        # slot.
        self._parents = array("q", bytes(8 * self.slots))
        self._tokens = array("q", bytes(8 * self.slots))
        self._degrees = array("q", bytes(8 * self.slots))
        self._used = array("q", bytes(8 * self.slots))
        self._scopes = 0
        self._free: list[int] = []
        # Leaves to drop, the oldest last, each with the batch that had last used it.
        self._oldest: list[tuple[int, int]] = []
        self._fresh = 1
        self._batch = 1

    def __len__(self) -> int:
        return len(self._children)

    @property
    def nbytes(self) -> int:
        """Bytes that the nodes take."""
        return len(self._children) * self.node_bytes

    def scope(self) -> Scope:
        """Begin a scope that shares nothing with any other."""
        # Numbers are never used again, so that what an ended scope left here cannot be found by a later one.
        self._scopes += 1
        return Scope(self.slots + self._scopes)

    def slot_of(self, node: int) -> int:
        """Return where the state of a node lies, :data:`ROOT` for the root of a scope."""
        return node if node < self.slots else ROOT

    def longest(self, tokens: Sequence[int], scope: Scope) -> tuple[int, int]:
        """Return the node of the longest prefix of ``tokens`` that is known in ``scope``, and its length."""
        find = self._children.get
        slot: int = scope
        for depth, token in enumerate(tokens):
            child = find(slot << _TOKEN_BITS | token)
            if child is None:
                return slot, depth
            slot = child
        return slot, len(tokens)

    def child(self, slot: int, token: int) -> int | None:
        """Return the slot of the prefix ``slot``, or of the scope's root, extended by ``token``; None if not known."""
        return self._children.get(slot << _TOKEN_BITS | token)

    def reserve(self, count: int) -> list[int]:
        """Take free slots, to be given to :meth:`insert` or :meth:`release`."""
        slots: list[int] = []
        if self._free:
            slots = self._free[-count:]
            del self._free[-count:]
        if (missing := count - len(slots)) > 0:
            slots += range(self._fresh, self._fresh + missing)
            self._fresh += missing
        return slots

    def release(self, slots: Sequence[int]) -> None:
        """Give back slots that were reserved and not inserted."""
        self._free += slots

    def insert(self, parents: Sequence[int], tokens: Sequence[int], slots: Sequence[int]) -> None:
        """Add each prefix in ``parents``, or root of a scope, extended by its token, as a reserved slot."""
        children, degrees, used, batch, end = self._children, self._degrees, self._used, self._batch, self.slots
        above, last = self._parents, self._tokens
        for parent, token, slot in zip(parents, tokens, slots, strict=True):
            children[parent << _TOKEN_BITS | token] = slot
            above[slot] = parent
            last[slot] = token
            if parent < end:
                degrees[parent] += 1
            used[slot] = batch

    def touch(self, node: int) -> None:
        """Mark a node as just used. Those before it on its path stay as long as it does."""
        if node < self.slots:
            self._used[node] = self._batch

    def evict(self) -> list[int]:
        """Drop least recently used leaves until the tree is within its capacity, and return their slots.

        What is touched from now on counts as used later than what was touched before.
        """
        now = self._batch
        self._batch += 1
        dropped: list[int] = []
        excess = len(self._children) - self._limit
        while len(dropped) < excess:
            if not self._oldest:
                self._line_up(now, excess - len(dropped))
            slot, used = self._oldest.pop()
            # One that was used or extended since has to be found again.
            if self._used[slot] == used and not self._degrees[slot]:
                self._drop(slot)
                dropped.append(slot)
        return dropped

    def _line_up(self, now: int, wanted: int) -> None:
        """Find the least recently used leaves, ``wanted`` or more of them."""
        used = np.frombuffer(self._used, np.int64)[: self._fresh]
        leaves = np.flatnonzero((used > 0) & (np.frombuffer(self._degrees, np.int64)[: self._fresh] == 0))
        earlier = leaves[used[leaves] < now]
        if len(earlier):
            leaves, wanted = earlier, max(wanted, min(_LINED_UP, self._limit // 8))
        # What was just used goes only if nothing else is left, and never to save a later look.
        if len(leaves) > wanted:
            leaves = leaves[np.argpartition(used[leaves], wanted - 1)[:wanted]]
        leaves = leaves[np.argsort(-used[leaves], kind="stable")]
        self._oldest = list(zip(leaves.tolist(), used[leaves].tolist(), strict=True))

    def _drop(self, slot: int) -> None:
        parent = self._parents[slot]
        del self._children[parent << _TOKEN_BITS | self._tokens[slot]]
        if parent < self.slots:
            self._degrees[parent] -= 1
            # Whoever used the longer prefix used the shorter one.
            if self._used[parent] < self._used[slot]:
                self._used[parent] = self._used[slot]
        self._used[slot] = 0
        self._free.append(slot)
