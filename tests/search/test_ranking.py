"""The one ranking: passages collapse to documents, offset and k cut, and late arms are told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from typeahead.errors import UnsupportedFilter
from typeahead.search.filters import Equal
from typeahead.search.fusion import Fusion
from typeahead.search.port import DENSE, LEXICAL, Candidate, Candidates, Capabilities, Evidence, Key, Request
from typeahead.search.ranking import find
from typeahead.search.space import Space
from typeahead.text.document import Document

VECTOR = np.ones(2, np.float32)


class Scripted:
    """A back end whose arms find what a test says; remembers how many candidates were asked for."""

    address = "scripted"
    version = "1"

    def __init__(self, arms: Mapping[str, Sequence[tuple[str, int, float]]], *, gone: Sequence[str] = ()) -> None:
        self.space = Space("teacher", None, 2, "cosine")
        self.capabilities = Capabilities(lexical=LEXICAL in arms or not arms)
        self.depths: list[int] = []
        self.texts: list[str] = []
        self._arms = arms
        self._gone = gone
        self.count = 9

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        assert deadline > time.monotonic()
        self.depths += [request.k for request in requests]
        self.texts += [request.text for request in requests]
        return [
            {
                arm: [Candidate(Key(document, passage), score) for document, passage, score in found][: request.k]
                for arm, found in self._arms.items()
            }
            for request in requests
        ]

    async def evidence(
        self, keys: Sequence[Sequence[Key]], requests: Sequence[Request], deadline: float
    ) -> Sequence[Evidence]:
        raise AssertionError(f"no ranking weighs evidence: {keys}, {requests}, {deadline}")

    async def fetch(self, ids: Sequence[str], deadline: float) -> Mapping[str, Document]:
        assert deadline > time.monotonic()
        return {one: Document(one, one.upper()) for one in ids if one not in self._gone}

    async def close(self) -> None:
        """Nothing is open."""


async def hits(backend: Scripted, k: int, offset: int = 0, fusion: Fusion | None = None) -> list[tuple[str, float]]:
    (found,) = await find(backend, [Request(VECTOR, "a", k, offset)], time.monotonic() + 60, fusion)
    return [(hit.id, hit.score) for hit in found.hits]


async def test_a_document_is_shown_once_by_its_best_passage() -> None:
    backend = Scripted({DENSE: [("a", 3, 0.9), ("b", 0, 0.8), ("a", 1, 0.7), ("b", 2, 0.6), ("c", 0, 0.5)]})
    assert await hits(backend, 5) == [("a", 0.9), ("b", 0.8), ("c", 0.5)]
    assert await hits(backend, 1, offset=1) == [("b", 0.8)]


async def test_more_candidates_are_asked_for_where_passages_of_one_document_fill_the_list() -> None:
    backend = Scripted({DENSE: [("a", passage, 1 - passage / 100) for passage in range(20)] + [("b", 0, 0.1)]})
    assert await hits(backend, 2) == [("a", 1.0), ("b", 0.1)]
    assert backend.depths == [2, 4, 8, 16, 32]


async def test_the_search_for_more_ends() -> None:
    backend = Scripted({DENSE: [("a", passage, 1.0) for passage in range(1000)]})
    assert await hits(backend, 2) == [("a", 1.0)]
    assert backend.depths == [2, 4, 8, 16, 32]


async def test_words_are_asked_for_only_where_they_are_fused() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)], LEXICAL: [("b", 0, 7.0)]})
    assert await hits(backend, 3) == [("a", 0.9)]
    assert await hits(backend, 3, fusion=Fusion("linear", 0.25)) == [("a", 0.75), ("b", 0.25)]
    assert backend.texts == ["", "a"]


async def test_an_arm_that_should_have_answered_is_named_as_late() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)], LEXICAL: []})
    (found,) = await find(backend, [Request(VECTOR, "a", 3)], time.monotonic() + 60, Fusion("rrf", 0.5))
    assert found.late == ()
    backend._arms = {DENSE: [("a", 0, 0.9)]}
    (found,) = await find(backend, [Request(VECTOR, "a", 3)], time.monotonic() + 60, Fusion("rrf", 0.5))
    assert found.late == (LEXICAL,)
    assert [hit.id for hit in found.hits] == ["a"]


async def test_a_document_that_has_gone_is_no_hit() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9), ("b", 0, 0.8)]}, gone=["a"])
    assert await hits(backend, 2) == [("b", 0.8)]


async def test_a_text_without_a_vector_finds_nothing_and_asks_nobody() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)]})
    (found,) = await find(backend, [Request(None, "…", 3)], time.monotonic() + 60)
    assert found.hits == []
    assert backend.depths == []


async def test_a_filter_that_the_back_end_cannot_apply_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFilter, match="scripted cannot filter by equal"):
        await find(Scripted({}), [Request(VECTOR, "a", 3, filter=Equal("a", 1))], time.monotonic() + 60)
