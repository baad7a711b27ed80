"""Pages of one list: together they are the list, whatever their size. And facets, which do not depend on pages."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.search.test_ranking import VECTOR, WORDS, Arm, Scripted, later
from typeahead.search.filters import Filter
from typeahead.search.port import DENSE, LEXICAL, Candidates, Capabilities, Request
from typeahead.search.ranking import DEPTH, Hit, find
from typeahead.text.document import Value


def two_arms(count: int, seed: int) -> dict[str, Arm]:
    """Two arms that rank the same documents differently, so that the best by both lie deep in either."""
    draw = random.Random(seed)
    names = [f"d{number}" for number in range(count)]
    by_words = draw.sample(names, count)
    similar = sorted((round(draw.random(), 2) for _ in names), reverse=True)
    value = dict(zip(names, similar, strict=True))
    return {
        DENSE: [(name, 0, value[name]) for name in names],
        LEXICAL: [(name, 0, value[name]) for name in by_words],
    }


async def page(backend: Scripted, k: int, offset: int) -> list[Hit]:
    (found,) = await find(backend, [Request(VECTOR, WORDS, k, offset)], later())
    return found.hits


@pytest.mark.parametrize("size", [1, 7, 8, 60, DEPTH])
async def test_pages_neither_repeat_nor_skip_a_document(size: int) -> None:
    backend = Scripted(two_arms(4 * DEPTH, 1))
    hits = [hit for offset in range(0, 3 * DEPTH, size) for hit in await page(backend, size, offset)]
    assert len({hit.id for hit in hits}) == len(hits) >= 3 * DEPTH
    assert hits[:DEPTH] == await page(backend, DEPTH, 0)


async def test_the_last_page_ends_with_the_last_document() -> None:
    backend = Scripted(two_arms(3 * DEPTH + 5, 2))
    assert len(await page(backend, 10, 3 * DEPTH)) == 5
    assert await page(backend, 10, 4 * DEPTH) == []


async def test_what_only_a_wider_search_finds_comes_after_what_the_first_search_found() -> None:
    # Far down in both arms stands the best of all: no first page has seen it.
    few = [(f"d{number}", 0, 0.1) for number in range(DEPTH)]
    backend = Scripted({DENSE: [*few, ("late", 0, 0.9), ("later", 0, 0.05)]})
    assert "late" not in {hit.id for hit in await page(backend, 8, DEPTH - 8)}
    assert [hit.id for hit in await page(backend, 8, DEPTH)] == ["late", "later"]


class Counting(Scripted):
    """Says what it counted; remembers what it was asked to count."""

    def __init__(self) -> None:
        super().__init__({DENSE: [("a", 0, 0.9), ("b", 0, 0.8)], LEXICAL: []})
        self.counted: list[Any] = []
        self.capabilities = Capabilities(lexical=True, facets=self.count_facets)

    async def count_facets(self, tree: Filter | None, names: Sequence[str]) -> Mapping[str, Mapping[Any, int]]:
        self.counted.append((tree, names))
        return {name: Counter({"all": 9}) for name in names}

    def _find(self, request: Request) -> Candidates:
        found = super()._find(request)
        facets: dict[str, dict[Value, int]] = {name: {"found": len(found.keys)} for name in request.facets}
        return replace(found, facets=facets)


async def test_facets_of_a_text_are_those_of_its_candidates_and_without_a_text_those_of_the_filter() -> None:
    backend = Counting()
    requests = [
        Request(VECTOR, None, 1, facets=("country", "tags")),
        Request(None, None, 8, facets=("country",)),
        Request(None, None, 8),
        Request(VECTOR, None, 1),
    ]
    texts, nothing, unasked, plain = await find(backend, requests, later())
    assert texts.facets == {"country": {"found": 2}, "tags": {"found": 2}}
    assert (nothing.hits, nothing.facets) == ([], {"country": {"all": 9}})
    assert (unasked.facets, plain.facets) == (None, None)
    assert backend.counted == [(None, ("country",))]


async def test_a_back_end_that_does_not_count_gives_no_facets() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)]})
    requests = [Request(VECTOR, None, 1, facets=("country",)), Request(None, None, 1, facets=("country",))]
    assert [one.facets for one in await find(backend, requests, time.monotonic() + 60)] == [None, None]
