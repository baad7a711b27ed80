"""The one ranking: candidates are scored, passages collapse to documents, and offset and k cut."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from typeahead.errors import UnsupportedFilter
from typeahead.search.filters import Equal
from typeahead.search.port import DENSE, LEXICAL, Candidates, Capabilities, Key, Request
from typeahead.search.ranking import DEPTH, check_requests, find
from typeahead.search.scoring import UNCALIBRATED, Scale
from typeahead.search.space import Space
from typeahead.search.terms import Term, Words
from typeahead.text.document import Document

VECTOR = np.ones(2, np.float32)
WORDS = Words([Term({"a": 1.0})])
#: What an arm finds: a document, the number of a passage, and its similarity.
Arm = Sequence[tuple[str, int, float]]


class Scripted:
    """A back end whose arms find what a test says; remembers what it was asked.

    What the lexical arm finds holds all terms in its text, and nothing else does.
    """

    address = "scripted"
    version = "1"

    def __init__(self, arms: Mapping[str, Arm], *, gone: Sequence[str] = ()) -> None:
        self.space = Space("teacher", None, 2, "cosine")
        self.capabilities = Capabilities(lexical=LEXICAL in arms)
        self.asked: list[Request] = []
        self.count = 9
        self._arms = arms
        self._gone = gone

    @property
    def depths(self) -> list[int]:
        """How many candidates of each arm were asked for."""
        return [request.k + request.offset for request in self.asked]

    async def candidates(self, requests: Sequence[Request], deadline: float) -> Sequence[Candidates]:
        assert deadline > time.monotonic()
        self.asked += requests
        return [self._find(request) for request in requests]

    def _find(self, request: Request) -> Candidates:
        terms = request.words.terms if request.words else ()
        asked = {DENSE: request.vector is not None, LEXICAL: request.words is not None}
        found = {arm: held[: request.k + request.offset] for arm, held in self._arms.items() if asked[arm]}
        passages = {Key(document, number): value for held in found.values() for document, number, value in held}
        keys = {arm: {Key(document, number) for document, number, _ in held} for arm, held in found.items()}
        arms = {arm: np.array([key in held for key in passages], np.bool_) for arm, held in keys.items()}
        counts = np.zeros((len(passages), 2, len(terms)), np.float32)
        counts[:, 1] = arms.get(LEXICAL, np.zeros(len(passages), np.bool_))[:, None]
        return Candidates(
            list(passages),
            arms,
            np.array(list(passages.values()), np.float32),
            counts,
            counts,
            np.full((len(passages), 2), 3, np.float32),
            np.ones(len(terms)),
            6.0,
        )

    async def fetch(self, keys: Sequence[Key], deadline: float) -> Mapping[Key, Document]:
        assert deadline > time.monotonic()
        return {key: Document(key.document, key.document.upper()) for key in keys if key.document not in self._gone}

    async def close(self) -> None:
        """Nothing is open."""


def later() -> float:
    return time.monotonic() + 60


async def hits(backend: Scripted, k: int, offset: int = 0, words: Words | None = None) -> list[tuple[str, float]]:
    (found,) = await find(backend, [Request(VECTOR, words, k, offset)], later())
    return [(hit.id, hit.score) for hit in found.hits]


def unit(*totals: float) -> list[float]:
    return [UNCALIBRATED.unit(float(np.float32(total))) for total in totals]


async def test_a_document_is_shown_once_by_its_best_passage() -> None:
    backend = Scripted({DENSE: [("a", 3, 0.6), ("b", 0, 0.8), ("a", 1, 0.9), ("b", 2, 0.7), ("c", 0, 0.5)]})
    assert await hits(backend, 5) == list(zip("abc", unit(0.9, 0.8, 0.5), strict=True))
    assert await hits(backend, 1, offset=1) == list(zip("b", unit(0.8), strict=True))


async def test_of_equal_scores_the_earlier_candidate_comes_first() -> None:
    backend = Scripted({DENSE: [("b", 0, 0.5), ("c", 0, 0.5), ("a", 0, 0.5)]})
    assert [one for one, _ in await hits(backend, 3)] == ["b", "c", "a"]


async def test_both_arms_are_asked_for_more_than_is_shown() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)]})
    await hits(backend, 2)
    await hits(backend, DEPTH, offset=7)
    # A page asks for no more than the first one did, so that both see the same candidates.
    assert backend.depths == [DEPTH, DEPTH]


async def test_more_candidates_are_asked_for_where_passages_of_one_document_fill_the_list() -> None:
    passages = [("a", passage, 1 - passage / 1000) for passage in range(3 * DEPTH)]
    backend = Scripted({DENSE: [*passages, ("b", 0, 0.1)]})
    assert [one for one, _ in await hits(backend, 2)] == ["a", "b"]
    assert backend.depths == [DEPTH, 2 * DEPTH, 4 * DEPTH]


async def test_no_more_are_asked_for_where_there_are_no_more() -> None:
    backend = Scripted({DENSE: [("a", passage, 1 - passage / 1000) for passage in range(DEPTH - 1)]})
    assert [one for one, _ in await hits(backend, 2)] == ["a"]
    assert backend.depths == [DEPTH]


async def test_the_search_for_more_ends() -> None:
    backend = Scripted({DENSE: [("a", passage, 1.0) for passage in range(100 * DEPTH)]})
    assert await hits(backend, 2) == list(zip("a", unit(1), strict=True))
    assert backend.depths == sorted(set(backend.depths))
    assert backend.depths[-1] < 100 * DEPTH


async def test_only_the_requests_that_need_it_are_asked_again() -> None:
    backend = Scripted({DENSE: [("a", passage, 1 - passage / 1000) for passage in range(2 * DEPTH)] + [("b", 0, 0.1)]})
    one, two = Request(VECTOR, None, 1), Request(VECTOR, None, 2)
    found = await find(backend, [one, two, one], later())
    assert [[hit.id for hit in each.hits] for each in found] == [["a"], ["a", "b"], ["a"]]
    assert backend.depths == [DEPTH] * 3 + [2 * DEPTH, 4 * DEPTH]


async def test_words_reach_the_back_end_and_a_passage_that_holds_them_is_better() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.5), ("b", 0, 0.4)], LEXICAL: [("b", 0, 0.4)]})
    assert [one for one, _ in await hits(backend, 3)] == ["a", "b"]
    assert [one for one, _ in await hits(backend, 3, words=WORDS)] == ["b", "a"]
    assert [request.words for request in backend.asked] == [None, WORDS]


async def test_it_does_not_matter_which_arm_found_a_passage() -> None:
    both = Scripted({DENSE: [("a", 0, 0.5)], LEXICAL: [("a", 0, 0.5)]})
    one = Scripted({DENSE: [], LEXICAL: [("a", 0, 0.5)]})
    assert await hits(both, 1, words=WORDS) == await hits(one, 1, words=WORDS)


async def test_a_hit_names_the_arms_that_found_it() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9), ("b", 0, 0.8)], LEXICAL: [("b", 0, 0.8), ("c", 0, 0.1)]})
    (found,) = await find(backend, [Request(VECTOR, WORDS, 3)], later())
    assert {hit.id: hit.arms for hit in found.hits} == {"a": (DENSE,), "b": (DENSE, LEXICAL), "c": (LEXICAL,)}


async def test_a_document_that_has_gone_is_no_hit() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9), ("b", 0, 0.8)]}, gone=["a"])
    assert [one for one, _ in await hits(backend, 2)] == ["b"]


async def test_a_text_with_neither_vector_nor_words_finds_nothing_and_asks_nobody() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)]})
    (found,) = await find(backend, [Request(None, None, 3)], later())
    assert (found.hits, found.weak, found.version) == ([], False, "1")
    assert backend.asked == []


async def test_a_text_without_a_vector_finds_by_its_words() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.9)], LEXICAL: [("b", 0, np.nan)]})
    (found,) = await find(backend, [Request(None, WORDS, 3)], later())
    assert [hit.id for hit in found.hits] == ["b"]
    assert 0 < found.hits[0].score < 1


async def test_a_reply_is_weak_whose_best_score_is_below_that_of_the_scale() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.5), ("b", 0, 0.1)]})
    (best,) = unit(0.5)
    for weak, expected in ((0.0, False), (best - 1e-6, False), (best, False), (best + 1e-6, True), (1.0, True)):
        found = await find(backend, [Request(VECTOR, None, 2), Request(VECTOR, None, 1, 1)], later(), Scale(weak=weak))
        # Whatever part of the list is shown. The hits come all the same.
        assert [one.weak for one in found] == [expected] * 2
        assert [len(one.hits) for one in found] == [2, 1]


async def test_no_hits_are_not_weak() -> None:
    (found,) = await find(Scripted({DENSE: []}), [Request(VECTOR, None, 2)], later(), Scale(weak=1.0))
    assert (found.hits, found.weak) == ([], False)


async def test_scores_are_those_of_the_scale() -> None:
    backend = Scripted({DENSE: [("a", 0, 0.5)]})
    scale = Scale(low=0.25, high=0.75)
    (found,) = await find(backend, [Request(VECTOR, None, 2)], later(), scale)
    assert found.hits[0].score == scale.unit(0.5)


async def test_a_filter_that_the_back_end_cannot_apply_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFilter, match="scripted cannot filter by equal"):
        await find(Scripted({}), [Request(VECTOR, None, 3, filter=Equal("a", 1))], later())


def test_requests_that_no_back_end_can_answer_are_refused() -> None:
    check_requests([Request(VECTOR, None, 1), Request(None, WORDS, 1, 5)], 2)
    with pytest.raises(ValueError, match="k is 0"):
        check_requests([Request(VECTOR, None, 0)], 2)
    with pytest.raises(ValueError, match="offset -1"):
        check_requests([Request(VECTOR, None, 1, -1)], 2)
    with pytest.raises(ValueError, match=r"shape \(2,\), it must be \(3,\)"):
        check_requests([Request(VECTOR, None, 1)], 3)
