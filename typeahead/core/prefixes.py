"""The cache of token prefixes: one tree for all sessions, with a size limit in bytes.

A node is a token prefix and has a number, its slot; its parent is the prefix without the last token. The encoder's
results for a node are in the same slot of :mod:`typeahead.core.states`; :mod:`typeahead.core.engine` runs the steps. A
slot number is valid only until the next :meth:`PrefixTree.evict`, so no session keeps one: each keystroke looks its
tokens up and copies the results. An evicted prefix is simply computed again. The least recently used leaves are evicted
first.

Each prefix belongs to a *scope*: one user, or a group who trust each other. A cached prefix is answered faster than a
new one, so a tree shared among strangers would reveal to each what the others typed. Scopes share no nodes, only the
slots and the size limit.

The tree is a single dictionary from (parent's slot, token), packed into one integer, to the child's slot. The garbage
collector ignores integers. With an object and a dictionary of children for each node, its full passes would walk all of
them while every session waits.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import NewType

import numpy as np

#: The slot of the start state, which is also the root of every scope.
ROOT = 0

#: Sessions with the same scope share cached prefixes; see :meth:`PrefixTree.scope`.
Scope = NewType("Scope", int)

#: No tokenizer has token ids of more than 32 bits.
_TOKEN_BITS = 32
#: Bytes of a node besides its state and embedding: its dictionary entry (a dictionary is a third full just after it
#: grows), the entry's two integers, and the node's elements in the arrays of this module.
_OVERHEAD = 3 * 32 + sys.getsizeof(1 << 40) + sys.getsizeof(1 << 20) + 40
#: Leaves queued for eviction at once: finding the oldest leaves requires a pass over all nodes.
_LINED_UP = 4096


class PrefixTree:
    """Encoded token prefixes, at most ``capacity`` bytes of them after each :meth:`evict`.

    ``slot_bytes`` is the size of a state with its embedding. ``headroom`` is how many nodes beyond the capacity may be
    inserted before :meth:`evict`. Slot numbers are below :attr:`slots`; higher numbers are the roots of scopes and hold
    no data, see :meth:`slot_of`. Not thread-safe.
    """

    def __init__(self, slot_bytes: int, *, capacity: int, headroom: int) -> None:
        self.capacity = capacity
        self.node_bytes = slot_bytes + _OVERHEAD
        self._limit = capacity // self.node_bytes
        self.slots = 1 + self._limit + headroom
        self._children: dict[int, int] = {}
        # Indexed by slot: the node's parent and token, its number of children, and the batch that last used it (0 for a
        # free slot).
        self._parents = array("q", bytes(8 * self.slots))
        self._tokens = array("q", bytes(8 * self.slots))
        self._degrees = array("q", bytes(8 * self.slots))
        self._used = array("q", bytes(8 * self.slots))
        self._scopes = 0
        self._free: list[int] = []
        # Eviction queue: leaves, the oldest last, each with the batch that last used it.
        self._oldest: list[tuple[int, int]] = []
        self._fresh = 1
        self._batch = 1

    def __len__(self) -> int:
        return len(self._children)

    @property
    def nbytes(self) -> int:
        """Size of all nodes in bytes."""
        return len(self._children) * self.node_bytes

    def scope(self) -> Scope:
        """Begin a scope that shares nothing with any other scope."""
        # Numbers are never reused, so a later scope cannot find prefixes left by an ended one.
        self._scopes += 1
        return Scope(self.slots + self._scopes)

    def slot_of(self, node: int) -> int:
        """Return the slot of a node's state, or :data:`ROOT` for the root of a scope."""
        return node if node < self.slots else ROOT

    def longest(self, tokens: Sequence[int], scope: Scope) -> tuple[int, int]:
        """Return the node and length of the longest cached prefix of ``tokens`` in ``scope``."""
        find = self._children.get
        slot: int = scope
        for depth, token in enumerate(tokens):
            child = find(slot << _TOKEN_BITS | token)
            if child is None:
                return slot, depth
            slot = child
        return slot, len(tokens)

    def child(self, slot: int, token: int) -> int | None:
        """Return the slot of the prefix ``slot`` (or scope root) extended by ``token``, or None if it is not cached."""
        return self._children.get(slot << _TOKEN_BITS | token)

    def reserve(self, count: int) -> list[int]:
        """Take free slots; pass each to :meth:`insert` or :meth:`release` later."""
        slots: list[int] = []
        if self._free:
            slots = self._free[-count:]
            del self._free[-count:]
        if (missing := count - len(slots)) > 0:
            slots += range(self._fresh, self._fresh + missing)
            self._fresh += missing
        return slots

    def release(self, slots: Sequence[int]) -> None:
        """Return reserved slots that were not inserted."""
        self._free += slots

    def insert(self, parents: Sequence[int], tokens: Sequence[int], slots: Sequence[int]) -> None:
        """Extend each prefix in ``parents`` (or scope root) by its token, and store the result in a reserved slot."""
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
        """Mark a node as just used. Its ancestors stay cached as long as it does."""
        if node < self.slots:
            self._used[node] = self._batch

    def evict(self) -> list[int]:
        """Evict least recently used leaves until the tree fits its capacity, and return their slots.

        Nodes touched after this call count as more recently used than all nodes touched before it.
        """
        now = self._batch
        self._batch += 1
        dropped: list[int] = []
        excess = len(self._children) - self._limit
        while len(dropped) < excess:
            if not self._oldest:
                self._line_up(now, excess - len(dropped))
            slot, used = self._oldest.pop()
            # A leaf that was used or extended since it was queued must be found again.
            if self._used[slot] == used and not self._degrees[slot]:
                self._drop(slot)
                dropped.append(slot)
        return dropped

    def _line_up(self, now: int, wanted: int) -> None:
        """Queue the least recently used leaves, at least ``wanted`` of them."""
        used = np.frombuffer(self._used, np.int64)[: self._fresh]
        leaves = np.flatnonzero((used > 0) & (np.frombuffer(self._degrees, np.int64)[: self._fresh] == 0))
        earlier = leaves[used[leaves] < now]
        if len(earlier):
            leaves, wanted = earlier, max(wanted, min(_LINED_UP, self._limit // 8))
        # Evict leaves that were just used only if no others are left, and never to avoid a later pass.
        if len(leaves) > wanted:
            leaves = leaves[np.argpartition(used[leaves], wanted - 1)[:wanted]]
        leaves = leaves[np.argsort(-used[leaves], kind="stable")]
        self._oldest = list(zip(leaves.tolist(), used[leaves].tolist(), strict=True))

    def _drop(self, slot: int) -> None:
        parent = self._parents[slot]
        del self._children[parent << _TOKEN_BITS | self._tokens[slot]]
        if parent < self.slots:
            self._degrees[parent] -= 1
            # A use of the longer prefix was also a use of the shorter one.
            if self._used[parent] < self._used[slot]:
                self._used[parent] = self._used[slot]
        self._used[slot] = 0
        self._free.append(slot)
