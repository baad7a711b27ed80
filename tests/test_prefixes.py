"""The tree of token prefixes."""

from __future__ import annotations

import random

from typeahead.prefixes import ROOT, PrefixTree

SLOT_BYTES = 24


def tree_of(nodes: int) -> PrefixTree:
    size = PrefixTree(SLOT_BYTES, capacity=0, headroom=0).node_bytes
    return PrefixTree(SLOT_BYTES, capacity=nodes * size, headroom=12)


def walk(tree: PrefixTree, tokens: tuple[int, ...]) -> int:
    slot, depth = tree.longest(tokens)
    for token in tokens[depth:]:
        children = tree.reserve(1)
        tree.insert((slot,), (token,), children)
        (slot,) = children
    tree.touch(slot)
    tree.evict()
    return slot


def test_the_longest_known_prefix_is_found() -> None:
    tree = tree_of(10)
    slot = walk(tree, (1, 2, 3))
    assert tree.longest((1, 2, 3)) == (slot, 3)
    parent, depth = tree.longest((1, 2, 9))
    assert depth == 2
    assert tree.child(parent, 3) == slot
    assert tree.longest((7,)) == (ROOT, 0)
    assert tree.longest(()) == (ROOT, 0)


def test_token_ids_of_32_bits_do_not_meet() -> None:
    tree = tree_of(10)
    walk(tree, (2**32 - 1, 0))
    assert tree.longest((0,)) == (ROOT, 0)
    assert tree.longest((2**32 - 1, 0))[1] == 2
    assert tree.longest((2**32 - 1, 2**32 - 1))[1] == 1


def test_the_least_recently_used_leaf_goes_first() -> None:
    tree = tree_of(4)
    walk(tree, (1, 2))
    walk(tree, (1, 3))
    walk(tree, (1, 2))
    walk(tree, (4, 5))
    assert tree.longest((1, 3))[1] == 1
    assert tree.longest((1, 2))[1] == 2
    assert tree.longest((4, 5))[1] == 2


def test_a_prefix_was_used_when_what_extends_it_was() -> None:
    tree = tree_of(4)
    walk(tree, (1, 2))
    walk(tree, (3, 4))
    walk(tree, (1, 2))
    walk(tree, (5,))
    walk(tree, (6,))  # 4 and 3 are gone: 1 is as recent as 2
    assert tree.longest((3,))[1] == 0
    assert tree.longest((1, 2))[1] == 2


def test_a_leaf_that_was_used_or_extended_after_it_was_lined_up_stays() -> None:
    tree = tree_of(32)
    for token in range(1, 33):
        walk(tree, (token,))
    walk(tree, (33,))  # lines up 1 to 4, and drops 1
    walk(tree, (2,))
    walk(tree, (3, 3))  # drops 4, as 2 and 3 are in use
    assert [token for token in range(1, 6) if tree.longest((token,))[1]] == [2, 3, 5]
    walk(tree, (34,))
    assert [token for token in range(1, 7) if tree.longest((token,))[1]] == [2, 3, 6]


def test_bytes_stay_within_the_capacity_and_slots_below_their_number_whatever_is_typed() -> None:
    tree = tree_of(50)
    rng = random.Random(3)
    for _ in range(2000):
        tokens = tuple(rng.randrange(6) for _ in range(rng.randrange(12)))
        slot = walk(tree, tokens)
        assert tree.longest(tokens) == (slot, len(tokens))
        assert slot < tree.slots
        assert tree.nbytes <= tree.capacity


def test_every_node_can_be_reached_and_no_slot_has_two_uses() -> None:
    tree = tree_of(40)
    rng = random.Random(5)
    for _ in range(500):
        walk(tree, tuple(rng.randrange(4) for _ in range(rng.randrange(10))))
    reached: list[int] = []
    frontier = [ROOT]
    while frontier:
        slot = frontier.pop()
        children = [child for token in range(4) if (child := tree.child(slot, token)) is not None]
        reached += children
        frontier += children
    assert len(reached) == len(set(reached)) == len(tree)


def test_a_slot_that_is_used_again_has_another_generation() -> None:
    tree = tree_of(1)
    slot = walk(tree, (1,))
    generation = tree.generation(slot)
    walk(tree, (2,))
    walk(tree, (3,))
    assert tree.longest((1,)) == (ROOT, 0)
    assert tree.generation(slot) != generation


def test_slots_that_were_reserved_in_vain_are_given_back() -> None:
    tree = tree_of(4)
    slots = tree.reserve(3)
    assert len(set(slots)) == 3
    tree.release(slots)
    assert sorted(tree.reserve(4))[:3] == sorted(slots)
    assert len(tree) == 0
