"""Filters at random, for comparing what engines admit with what the Python evaluator does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

from typeahead.search.filters import And, AnyOf, Equal, Exists, Filter, Not, Or, Range

NUMBERS: Final = [-1, 0, 1, 2, 2.5, 1e300, 0.1, 10**20, 1 << 63]
TEXTS: Final = ["", "a", "B", "ä", "b", "Z", "%s", "100%", "'; --", 'a "b"', "a\\b", "\U0001f600", "\0", "2024-02-29"]
VALUES: Final[Sequence[Any]] = [*NUMBERS, *TEXTS, True, False]
_BOUNDS: Final = ("gt", "gte", "lt", "lte")


def drawn_filter(draw: random.Random, names: Sequence[str], depth: int = 2) -> Filter:
    """Draw a filter on fields of some names."""
    if depth and draw.random() < 0.4:
        parts = tuple(drawn_filter(draw, names, depth - 1) for _ in range(draw.randrange(3)))
        several: list[Filter] = [And(parts), Or(parts), Not(drawn_filter(draw, names, depth - 1))]
        return draw.choice(several)
    name = draw.choice(names)
    match draw.randrange(4):
        case 0:
            return Equal(name, draw.choice(VALUES))
        case 1:
            return AnyOf(name, tuple(draw.sample(VALUES, 3)))
        case 2:
            return Range(name, **{bound: draw.choice(VALUES) for bound in draw.sample(_BOUNDS, 2)})
        case _:
            return Exists(name)
