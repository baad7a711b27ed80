"""The tree of token prefixes."""

from __future__ import annotations

import random

from typeahead.core.prefixes import ROOT, PrefixTree

SLOT_BYTES = 24


def tree_of(nodes: int) -> PrefixTree:
    size = PrefixTree(SLOT_BYTES, capacity=0, headroom=0).node_bytes
    return PrefixTree(SLOT_BYTES, capacity=nodes * size, headroom=12)


class Walker:
    """Types token prefixes in one scope of a tree."""

    def __init__(self, tree: PrefixTree) -> None:
        self.tree = tree
        self.scope = tree.scope()

    def longest(self, tokens: tuple[int, ...]) -> tuple[int, int]:
        return self.tree.longest(tokens, self.scope)

    def depth(self, *tokens: int) -> int:
        return self.longest(tokens)[1]

    def walk(self, tokens: tuple[int, ...]) -> int:
        node, depth = self.longest(tokens)
        for token in tokens[depth:]:
            children = self.tree.reserve(1)
            self.tree.insert((node,), (token,), children)
            (node,) = children
        self.tree.touch(node)
        self.tree.evict()
        return node


def test_the_longest_known_prefix_is_found() -> None:
    tree = tree_of(10)
    one = Walker(tree)
    slot = one.walk((1, 2, 3))
    assert one.longest((1, 2, 3)) == (slot, 3)
    parent, depth = one.longest((1, 2, 9))
    assert depth == 2
    assert tree.child(parent, 3) == slot
    assert one.longest((7,)) == (one.scope, 0)
    assert one.longest(()) == (one.scope, 0)


def test_scopes_have_no_prefix_in_common_and_one_start_state() -> None:
    tree = tree_of(10)
    one, other = Walker(tree), Walker(tree)
    slot = one.walk((1, 2))
    assert other.depth(1, 2) == 0
    assert other.walk((1, 2)) != slot
    assert tree.slot_of(one.scope) == tree.slot_of(other.scope) == ROOT
    assert tree.slot_of(slot) == slot
    assert len(tree) == 4


def test_token_ids_of_32_bits_do_not_meet() -> None:
    one = Walker(tree_of(10))
    one.walk((2**32 - 1, 0))
    assert one.depth(0) == 0
    assert one.depth(2**32 - 1, 0) == 2
    assert one.depth(2**32 - 1, 2**32 - 1) == 1


def test_the_least_recently_used_leaf_goes_first_in_whatever_scope_it_is() -> None:
    tree = tree_of(4)
    one, other = Walker(tree), Walker(tree)
    one.walk((1, 2))
    one.walk((1, 3))
    one.walk((1, 2))
    other.walk((4, 5))
    assert one.depth(1, 3) == 1
    assert one.depth(1, 2) == 2
    assert other.depth(4, 5) == 2


def test_a_prefix_was_used_when_what_extends_it_was() -> None:
    one = Walker(tree_of(4))
    one.walk((1, 2))
    one.walk((3, 4))
    one.walk((1, 2))
    one.walk((5,))
    one.walk((6,))  # 4 and 3 are gone: 1 is as recent as 2
    assert one.depth(3) == 0
    assert one.depth(1, 2) == 2


def test_a_leaf_that_was_used_or_extended_after_it_was_lined_up_stays() -> None:
    one = Walker(tree_of(32))
    for token in range(1, 33):
        one.walk((token,))
    one.walk((33,))  # lines up 1 to 4, and drops 1
    one.walk((2,))
    one.walk((3, 3))  # drops 4, as 2 and 3 are in use
    assert [token for token in range(1, 6) if one.depth(token)] == [2, 3, 5]
    one.walk((34,))
    assert [token for token in range(1, 7) if one.depth(token)] == [2, 3, 6]


def test_bytes_stay_within_the_capacity_and_slots_below_their_number_whatever_is_typed() -> None:
    tree = tree_of(50)
    people = [Walker(tree) for _ in range(3)]
    rng = random.Random(3)
    for _ in range(2000):
        tokens = tuple(rng.randrange(6) for _ in range(rng.randrange(12)))
        one = rng.choice(people)
        node = one.walk(tokens)
        assert one.longest(tokens) == (node, len(tokens))
        assert tree.slot_of(node) < tree.slots
        assert tree.nbytes <= tree.capacity


def test_every_node_can_be_reached_and_no_slot_has_two_uses() -> None:
    tree = tree_of(40)
    people = [Walker(tree) for _ in range(3)]
    rng = random.Random(5)
    for _ in range(500):
        rng.choice(people).walk(tuple(rng.randrange(4) for _ in range(rng.randrange(10))))
    reached: list[int] = []
    frontier: list[int] = [one.scope for one in people]
    while frontier:
        node = frontier.pop()
        children = [child for token in range(4) if (child := tree.child(node, token)) is not None]
        reached += children
        frontier += children
    assert len(reached) == len(set(reached)) == len(tree)


def test_what_a_scope_left_is_found_by_no_later_one() -> None:
    tree = tree_of(10)
    Walker(tree).walk((1, 2))
    for _ in range(100):
        assert Walker(tree).depth(1, 2) == 0


def test_slots_that_were_reserved_in_vain_are_given_back() -> None:
    tree = tree_of(4)
    slots = tree.reserve(3)
    assert len(set(slots)) == 3
    tree.release(slots)
    assert sorted(tree.reserve(4))[:3] == sorted(slots)
    assert len(tree) == 0
