"""Copies become one row, lists are filled up, and pages follow each other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pytest

from typeahead.search.copies import SPARE, Collapse, Ranked
from typeahead.search.port import DENSE, Backend, Candidates, Capabilities, Key, Request
from typeahead.search.ranking import find
from typeahead.search.space import Space
from typeahead.search.terms import FIELDS
from typeahead.text.document import Document


class Shelf:
    """A back end whose candidates are these documents, in this order; each scores a little less than the one before."""

    address, version = "shelf", "1"

    def __init__(self, texts: Sequence[str], *, equal: Sequence[int] = ()) -> None:
        self.space = Space("teacher", None, 2, "cosine")
        self.capabilities = Capabilities()
        self.texts = {f"d{row}": text for row, text in enumerate(texts)}
        scores = [1 - row / 1000 for row in range(len(texts))]
        for row in equal:
            scores[row] = scores[row - 1]
        self.scores = scores
        self.searches = 0
        self.count = len(texts)
        self.fetched: list[str] = []

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        assert deadline > time.monotonic()
        self.searches += 1
        return [self._best(request.k) for request in requests]

    def _best(self, k: int) -> Candidates:
        keys = [Key(one) for one in self.texts][:k]
        counts = np.zeros((len(keys), len(FIELDS), 0), np.float32)
        return Candidates(
            keys,
            {DENSE: np.ones(len(keys), np.bool_)},
            np.array(self.scores[:k], np.float32),
            counts,
            counts,
            np.zeros(counts.shape[:2], np.float32),
            np.zeros(0),
            0.0,
        )

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        assert deadline > time.monotonic()
        self.fetched += [key.document for key in keys]
        return {key: Document(key.document, "", self.texts[key.document]) for key in keys}


async def page(shelf: Shelf, k: int, offset: int = 0) -> list[tuple[str, int]]:
    request = Request(np.ones(2, np.float32), None, k, offset)
    (found,) = await find(cast("Backend", shelf), [request], time.monotonic() + 60)
    return [(hit.id, hit.copies) for hit in found.hits]


async def test_copies_become_the_best_of_them_and_the_list_is_filled_up() -> None:
    shelf = Shelf(["a", "b", "a", "c", "a", "d"])
    assert await page(shelf, 3) == [("d0", 2), ("d1", 1), ("d3", 1)]


async def test_without_copies_there_is_one_search_and_nothing_is_fetched_in_vain() -> None:
    shelf = Shelf([f"text {row}" for row in range(50)])
    assert len(await page(shelf, 8)) == 8
    assert (shelf.searches, shelf.fetched) == (1, [f"d{row}" for row in range(8)])


async def test_no_document_is_fetched_twice() -> None:
    shelf = Shelf(["same"] * 20 + [f"text {row}" for row in range(20)])
    assert await page(shelf, 3) == [("d0", 20), ("d20", 1), ("d21", 1)]
    assert len(shelf.fetched) == len(set(shelf.fetched))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_pages_neither_repeat_nor_skip_a_row(size: int) -> None:
    texts = [f"text {row // 3 if row % 2 else row}" for row in range(40)]
    whole = [one for one, _ in await page(Shelf(texts), 40)]
    shown: list[str] = []
    while rows := await page(Shelf(texts), size, len(shown)):
        shown += [one for one, _ in rows]
    assert shown == whole
    assert len({texts[int(one[1:])] for one in whole}) == len(whole) == len(set(texts))


@pytest.mark.parametrize(
    ("first", "second", "copies"),
    [
        ("a  b\n", " a b", True),
        ("one two three four five six seven eight nine", "one two three four five six seven eight  nine", True),
        ("one two three four five six seven eight nine", "one two three four five six seven eight ten", False),
        ("a b", "ab", False),
        ("a b", "A b", False),
        ("", "", True),
    ],
)
async def test_only_white_space_may_differ(first: str, second: str, copies: bool) -> None:
    assert len(await page(Shelf([first, second]), 5)) == (1 if copies else 2)


async def test_documents_of_different_titles_are_no_copies() -> None:
    shelf = Shelf(["", "", ""])
    titles = {"d0": "A  title", "d1": "A title", "d2": "Another title"}

    async def fetch(keys: Sequence[Key], deadline: float) -> dict[Key, Document]:
        del deadline
        return {key: Document(key.document, titles[key.document], "text") for key in keys}

    shelf.fetch = fetch  # type: ignore[method-assign]
    assert await page(shelf, 5) == [("d0", 2), ("d2", 1)]


async def test_copies_of_the_last_row_are_counted_where_they_score_the_same() -> None:
    shelf = Shelf(["a", "b", "b", "b", "c"], equal=[2, 3])
    collapse = Collapse(cast("Backend", shelf), time.monotonic() + 60)
    ranking = [Ranked(Key(one), score, ()) for one, score in zip(shelf.texts, shelf.scores, strict=True)]
    (rows,) = await collapse.rows([ranking], [2])
    assert [(row.document.id, row.copies) for row in rows] == [("d0", 1), ("d1", 3)]
    assert shelf.fetched == ["d0", "d1", "d2", "d3"]


async def test_spare_candidates_fill_the_list_without_another_search() -> None:
    shelf = Shelf(["same"] * 4 + [f"text {row}" for row in range(20)])
    collapse = Collapse(cast("Backend", shelf), time.monotonic() + 60)
    ranking = [Ranked(Key(one), score, ()) for one, score in zip(shelf.texts, shelf.scores, strict=True)]
    (rows,) = await collapse.rows([ranking[: 4 + SPARE]], [4])
    assert [(row.document.id, row.copies) for row in rows] == [("d0", 4), ("d4", 1), ("d5", 1), ("d6", 1)]
    assert shelf.searches == 0
