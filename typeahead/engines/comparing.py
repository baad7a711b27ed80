"""Has the vectors of plans compared by an engine, and once more with more rows where too few were found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from typeahead.engines import weighing
from typeahead.engines.planning import WIDER, Plan
from typeahead.engines.weighing import Outcome, outcome_of
from typeahead.index.contents import Contents

#: How often more of the nearest are asked for where too many of them are left out.
_WIDENINGS: Final = 2

#: Searches for some plans in one round trip; with the flag, exactly. Rows are those of :func:`.weighing.outcome_of`.
Search = Callable[[Sequence[tuple[Plan, bool]]], Awaitable[list[list[Any]]]]


async def compare(contents: Contents, plans: Sequence[Plan], search: Search) -> list[Outcome]:
    """Return what each plan finds; nothing for one without a vector."""
    outcomes: list[Outcome] = [Outcome((), {})] * len(plans)
    left = [(place, one, one.among is not None) for place, one in enumerate(plans) if one.vector is not None]
    for widening in range(_WIDENINGS + 1):
        if not left:
            break
        found = await search([(one, exact) for _, one, exact in left])
        again = []
        for (place, one, exact), rows in zip(left, found, strict=True):
            outcomes[place] = outcome_of(rows)
            number = sum(bool(row[0]) for row in rows)
            wanted = min(one.wanted, one.admitted)
            if widening == _WIDENINGS or _usable(contents, one, outcomes[place]) >= wanted:
                continue
            if number >= one.limit:
                again.append((place, one._replace(limit=WIDER * one.limit), exact))
            elif not exact and number < min(one.limit, one.admitted):
                # A search by a graph may end early where few rows pass the filter.
                again.append((place, one, True))
        left = again
    return outcomes


def _usable(contents: Contents, one: Plan, found: Outcome) -> int:
    words = one.request.words
    if words is None or not words.without or one.among is not None:
        return len(found.near)
    return len(weighing.without(contents, found.near, words.without, {}))
