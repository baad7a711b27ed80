"""The cache: token prefix -> state and embedding, one tree for all sessions, bounded in bytes.

A node is a token prefix, its parent the prefix without the last token. Sessions hold no nodes: they look their tokens
up at each key, so whatever the cache drops is computed again and nothing else changes. The least recently used leaves
go first. Stepping is done by :mod:`typeahead.engine`; this module only remembers.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Sequence

from typeahead.encoders.base import State, Vectors


class Node:
    """One token prefix: what the encoder keeps for it, and where it hangs."""

    __slots__ = ("children", "embedding", "parent", "state", "token")

    def __init__(self, parent: Node | None, token: int, state: State, embedding: Vectors | None) -> None:
        self.parent = parent
        self.token = token
        self.state = state
        self.embedding = embedding
        self.children: dict[int, Node] = {}


#: Bytes of a node beside its two arrays' data: the object, its dictionary of children, two array headers, and its
#: entry in the order of use.
_OVERHEAD = sys.getsizeof(Node(None, 0, None, None)) + 232 + 2 * 112 + 120


class PrefixTree:
    """Token prefixes that were encoded, within ``capacity`` bytes.

    Not thread-safe. ``start`` is the state before any token; ``dim`` the embedding's dimension. A state may share
    memory with those before it on its path, which are in the tree as long as it is.
    """

    def __init__(self, start: State, dim: int, *, capacity: int) -> None:
        self.root = Node(None, -1, start, None)
        self.capacity = capacity
        self.node_bytes: int = start.nbytes + 4 * dim + _OVERHEAD
        # Every node is more recent than its children, so the oldest is always a leaf.
        self._order: OrderedDict[Node, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    @property
    def nbytes(self) -> int:
        """Bytes that the nodes take."""
        return len(self._order) * self.node_bytes

    def longest(self, tokens: Sequence[int]) -> tuple[Node, int]:
        """Return the node of the longest known prefix of ``tokens`` and its length."""
        node = self.root
        for depth, token in enumerate(tokens):
            child = node.children.get(token)
            if child is None:
                return node, depth
            node = child
        return node, len(tokens)

    def insert(self, parent: Node, token: int, state: State, embedding: Vectors) -> Node:
        """Add the prefix ``parent`` + ``token``. Its path must be passed to :meth:`touch` before :meth:`evict`."""
        node = parent.children[token] = Node(parent, token, state, embedding)
        self._order[node] = None
        return node

    def touch(self, node: Node) -> None:
        """Mark a path as just used, the leaf first and its root last."""
        move = self._order.move_to_end
        while node.parent is not None:
            move(node)
            node = node.parent

    def evict(self) -> None:
        """Drop least recently used leaves until the tree is within its capacity."""
        for _ in range(len(self._order) - self.capacity // self.node_bytes):
            node, _none = self._order.popitem(last=False)
            assert node.parent is not None
            del node.parent.children[node.token]
