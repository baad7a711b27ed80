"""The tree of token prefixes."""

from __future__ import annotations

import random

import numpy as np

from typeahead.prefixes import Node, PrefixTree


def tree_of(nodes: int) -> PrefixTree:
    start = np.zeros(4, np.float32)
    size = PrefixTree(start, 2, capacity=0).node_bytes
    return PrefixTree(start, 2, capacity=nodes * size)


def walk(tree: PrefixTree, tokens: tuple[int, ...]) -> Node:
    node, depth = tree.longest(tokens)
    for token in tokens[depth:]:
        state = node.state + token
        node = tree.insert(node, token, state, state[:2])
    tree.touch(node)
    tree.evict()
    return node


def test_the_longest_known_prefix_is_found() -> None:
    tree = tree_of(10)
    node = walk(tree, (1, 2, 3))
    assert tree.longest((1, 2, 3)) == (node, 3)
    assert tree.longest((1, 2, 9)) == (node.parent, 2)
    assert tree.longest((7,)) == (tree.root, 0)
    assert tree.longest(()) == (tree.root, 0)


def test_the_least_recently_used_leaf_goes_first() -> None:
    tree = tree_of(4)
    walk(tree, (1, 2))
    walk(tree, (1, 3))
    walk(tree, (1, 2))
    walk(tree, (4, 5))
    assert tree.longest((1, 3))[1] == 1
    assert tree.longest((1, 2))[1] == 2
    assert tree.longest((4, 5))[1] == 2


def test_bytes_stay_within_the_capacity_whatever_is_typed() -> None:
    tree = tree_of(50)
    rng = random.Random(3)
    for _ in range(2000):
        tokens = tuple(rng.randrange(6) for _ in range(rng.randrange(12)))
        node = walk(tree, tokens)
        assert node.state[0] == sum(tokens)
        assert tree.nbytes <= tree.capacity


def test_every_node_in_the_order_hangs_in_the_tree() -> None:
    tree = tree_of(40)
    rng = random.Random(5)
    for _ in range(500):
        walk(tree, tuple(rng.randrange(4) for _ in range(rng.randrange(10))))
    reached, frontier = 0, [tree.root]
    while frontier:
        children = frontier.pop().children.values()
        reached += len(children)
        frontier.extend(children)
    assert reached == len(tree)
