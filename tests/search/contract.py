"""The contract of the search port: what every back end must do. Subclass :class:`BackendContract` to test yours::

    class TestMine(BackendContract):
        async def make(self, documents, vectors):
            ...  # a back end that holds these documents, one passage each

The oracles are brute force over the vectors, and :func:`typeahead.search.filters.matches` over the documents. What a
back end does not offer is skipped, so a run says what it lacks.
"""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed, UnsupportedFilter
from typeahead.search.filters import KINDS, And, AnyOf, Equal, Exists, Filter, Not, Or, Range, kinds, matches
from typeahead.search.fusion import Fusion
from typeahead.search.port import DENSE, LEXICAL, Backend, Candidate, Key, Request
from typeahead.search.ranking import find
from typeahead.search.terms import query_terms, weigh
from typeahead.text.document import Document

DIM = 16
COUNT = 60
WORDS = "apple bread cheese dates eggs flour garlic honey icing jam kale lemon".split()
#: Far more than any test needs.
LONG = 30.0


def later() -> float:
    """A deadline that nothing here misses."""
    return time.monotonic() + LONG


def documents(*, fields: bool) -> list[Document]:
    """Documents of a few words each, with fields if the back end keeps them."""
    draw = random.Random(7)
    return [
        Document(
            f"id {row}" if row % 7 else f"ïd/{row}",
            " ".join(draw.choices(WORDS, k=2)),
            " ".join(draw.choices(WORDS, k=draw.randrange(0, 12))),
            f"https://example.org/{row}",
            {"year": 1990 + row, "tags": draw.sample(WORDS, 2), "odd": row % 2 == 1, "a": row / 7} if fields else {},
        )
        for row in range(COUNT)
    ]


def unit_vectors(count: int, seed: int) -> Vectors:
    """Random vectors of length 1: float32 (count, DIM)."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


FILTERS: tuple[Filter, ...] = (
    Equal("year", 2000),
    Equal("odd", True),
    Equal("odd", 1),
    Equal("tags", "eggs"),
    Equal("nothing", "eggs"),
    AnyOf("tags", ("eggs", "jam")),
    AnyOf("year", ()),
    Range("year", gte=2000, lt=2010),
    Range("a", gt=1.0),
    Range("tags", lte="c"),
    Exists("year"),
    Exists("nothing"),
    Not(Exists("nothing")),
    And((Equal("odd", False), Range("year", gt=2020))),
    Or((Equal("tags", "kale"), Not(Range("year", gte=1995)))),
    And(()),
    Or(()),
)


class BackendContract(ABC):
    """Tests of a back end; see the module's text."""

    #: Whether the back end keeps documents' fields.
    fields = True

    @abstractmethod
    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        """Return a back end of ``documents``, whose vectors are float32 (n, DIM), of length 1, by cosine."""

    @pytest.fixture
    def documents(self) -> list[Document]:
        return documents(fields=self.fields)

    @pytest.fixture
    def vectors(self) -> Vectors:
        vectors = unit_vectors(COUNT, 1)
        # Ties: documents of the same vector.
        vectors[10:14] = vectors[9]
        return vectors

    @pytest_asyncio.fixture
    async def backend(self, documents: list[Document], vectors: Vectors) -> AsyncIterator[Backend]:
        backend = await self.make(documents, vectors)
        yield backend
        await backend.close()

    async def test_it_says_what_it_holds(self, backend: Backend) -> None:
        assert backend.count == COUNT
        assert (backend.space.dim, backend.space.similarity) == (DIM, "cosine")
        assert backend.version
        assert backend.address
        assert backend.capabilities.filters <= KINDS

    @pytest.mark.parametrize("k", [1, 8, COUNT, 3 * COUNT])
    async def test_vectors_find_what_brute_force_finds(self, backend: Backend, vectors: Vectors, k: int) -> None:
        queries = unit_vectors(9, 2)
        found = await backend.candidates([Request(query, "", k) for query in queries], later())
        assert [set(arms) for arms in found] == [{DENSE}] * 9
        for query, arms in zip(queries, found, strict=True):
            scores = dict(zip((one.id for one in documents(fields=False)), (vectors @ query).tolist(), strict=True))
            self._same_ranking(arms[DENSE], scores, min(k, COUNT))

    def _same_ranking(self, ranking: Sequence[Candidate], scores: dict[str, float], length: int) -> None:
        """Whether a ranking is one of ``scores``, whichever way ties went."""
        expected = sorted(scores.values(), reverse=True)[:length]
        assert [score for _, score in ranking] == pytest.approx(expected, abs=1e-5)
        assert len({key for key, _ in ranking}) == length
        for key, score in ranking:
            assert scores[key.document] == pytest.approx(score, abs=1e-5)

    async def test_the_length_of_a_query_does_not_matter_by_cosine(self, backend: Backend) -> None:
        query = unit_vectors(1, 3)[0]
        one, other = await backend.candidates([Request(query, "", 5), Request(4 * query, "", 5)], later())
        assert [key for key, _ in one[DENSE]] == [key for key, _ in other[DENSE]]

    async def test_a_query_of_zeros_finds_nothing(self, backend: Backend) -> None:
        (found,) = await backend.candidates([Request(np.zeros(DIM, np.float32), "", 5)], later())
        assert not found.get(DENSE)

    async def test_ties_come_in_the_same_order_every_time(self, backend: Backend, vectors: Vectors) -> None:
        request = Request(vectors[9], "", 20)
        rankings = [(await backend.candidates([request], later()))[0][DENSE] for _ in range(3)]
        assert rankings[0] == rankings[1] == rankings[2]
        deep = (await backend.candidates([replace(request, k=40)], later()))[0][DENSE]
        assert deep[:20] == rankings[0]

    async def test_a_batch_gives_what_its_requests_give_alone(self, backend: Backend) -> None:
        requests = [
            Request(query, text, k) for query, text, k in zip(unit_vectors(6, 4), WORDS[:6], range(1, 7), strict=True)
        ]
        together = await find(backend, requests, later())
        assert together == [(await find(backend, [request], later()))[0] for request in requests]
        assert await backend.candidates([], later()) == []

    async def test_offset_goes_on_where_the_first_hits_end(self, backend: Backend) -> None:
        request = Request(unit_vectors(1, 5)[0], "", 24)
        (whole,) = await find(backend, [request], later())
        (rest,) = await find(backend, [replace(request, k=10, offset=14)], later())
        assert rest.hits == whole.hits[14:]
        (beyond,) = await find(backend, [replace(request, offset=COUNT)], later())
        assert beyond.hits == []

    @pytest.mark.parametrize(("k", "offset"), [(0, 0), (-1, 0), (1, -1)])
    async def test_a_request_that_makes_no_sense_is_refused(self, backend: Backend, k: int, offset: int) -> None:
        with pytest.raises(ValueError, match="must be"):
            await backend.candidates([Request(unit_vectors(1, 6)[0], "", k, offset)], later())

    async def test_documents_are_fetched_by_id(self, backend: Backend, documents: list[Document]) -> None:
        found = await backend.fetch([documents[7].id, "no such id", documents[3].id, "\ud800", ""], later())
        assert dict(found) == {documents[3].id: documents[3], documents[7].id: documents[7]}
        assert await backend.fetch([], later()) == {}

    async def test_evidence_is_exact(self, backend: Backend, documents: list[Document], vectors: Vectors) -> None:
        query, text = unit_vectors(1, 8)[0], "eggs and apple ho"
        keys = [Key(documents[row].id) for row in (5, 0, 59)]
        (found,) = await backend.evidence([[*keys, Key("no such id")]], [Request(query, text, 3)], later())
        terms = query_terms(text)
        assert terms == ["eggs", "and", "apple", "ho*"]
        everyone = [weigh(document, terms, None) for document in documents]
        assert found.documents == COUNT
        assert {term: count for term, count in found.document_frequencies.items() if count} == {
            term: count
            for term in terms
            if (count := sum(any(term in field for field in one.frequencies.values()) for one in everyone))
        }
        assert set(found.passages) == set(keys)
        for key, row in zip(keys, (5, 0, 59), strict=True):
            similarity = found.passages[key].similarity
            assert similarity == pytest.approx(float(vectors[row] @ query), abs=1e-5)
            assert found.passages[key] == weigh(documents[row], terms, similarity)

    async def test_evidence_of_a_batch_is_that_of_its_requests(
        self, backend: Backend, documents: list[Document]
    ) -> None:
        requests = [Request(unit_vectors(1, 18)[0], "eggs", 3), Request(unit_vectors(1, 19)[0], "jam ho", 3)]
        keys = [[Key(documents[2].id)], [Key(documents[2].id), Key(documents[4].id)]]
        together = await backend.evidence(keys, requests, later())
        for those, request, found in zip(keys, requests, together, strict=True):
            assert [found] == list(await backend.evidence([those], [request], later()))

    @pytest.mark.parametrize("vector", [None, np.zeros(DIM, np.float32)], ids=["none", "zeros"])
    async def test_evidence_of_a_text_without_a_vector(
        self, backend: Backend, documents: list[Document], vector: Vectors | None
    ) -> None:
        key = Key(documents[1].id)
        (found,) = await backend.evidence([[key]], [Request(vector, "eggs", 3)], later())
        assert found.passages[key].similarity is None

    async def test_words_find_documents_that_hold_them(self, backend: Backend, documents: list[Document]) -> None:
        if not backend.capabilities.lexical:
            pytest.skip("it finds no words")
        for text in ("cheese ", "Chees", "CHEESE honey"):
            (found,) = await backend.candidates([Request(None, text, COUNT)], later())
            assert set(found) == {LEXICAL}
            scores = [score for _, score in found[LEXICAL]]
            assert scores == sorted(scores, reverse=True)
            wanted = query_terms(text)
            expected = {
                document.id
                for document in documents
                if any(weigh(document, wanted, None).frequencies[field] for field in ("title", "text"))
            }
            assert {key.document for key, _ in found[LEXICAL]} == expected

    async def test_words_that_nobody_wrote_are_an_empty_list_and_not_a_late_arm(self, backend: Backend) -> None:
        if not backend.capabilities.lexical:
            pytest.skip("it finds no words")
        (found,) = await backend.candidates([Request(None, "zzz", 5)], later())
        assert {arm: list(ranking) for arm, ranking in found.items()} == {LEXICAL: []}

    async def test_both_arms_answer_where_both_are_asked(self, backend: Backend) -> None:
        if not backend.capabilities.lexical:
            pytest.skip("it finds no words")
        query = unit_vectors(1, 9)[0]
        (alone,) = await find(backend, [Request(query, "eggs", 5)], later())
        assert all(not hit.arms for hit in alone.hits)
        (both,) = await find(backend, [Request(query, "eggs", 5)], later(), Fusion("rrf", 0.5))
        if not both.late:
            assert {arm for hit in both.hits for arm in hit.arms} == {DENSE, LEXICAL}

    @pytest.mark.parametrize("tree", FILTERS, ids=str)
    async def test_filters_are_those_of_the_python_evaluator(
        self, backend: Backend, documents: list[Document], vectors: Vectors, tree: Filter
    ) -> None:
        query = unit_vectors(1, 10)[0]
        request = Request(query, "eggs", COUNT, filter=tree)
        if not kinds(tree) <= backend.capabilities.filters:
            with pytest.raises(UnsupportedFilter):
                await find(backend, [request], later())
            return
        (found,) = await find(backend, [request], later())
        passing = {document.id for document in documents if matches(tree, document)}
        assert {hit.id for hit in found.hits} == passing
        scores = dict(zip((one.id for one in documents), (vectors @ query).tolist(), strict=True))
        assert [hit.score for hit in found.hits] == pytest.approx(
            sorted((scores[one] for one in passing), reverse=True), abs=1e-5
        )

    @pytest.mark.parametrize("tree", [Equal("tags", "eggs"), Range("year", gte=2010)], ids=str)
    async def test_words_are_filtered_too(self, backend: Backend, documents: list[Document], tree: Filter) -> None:
        if not (backend.capabilities.lexical and kinds(tree) <= backend.capabilities.filters):
            pytest.skip("it finds no words, or does not filter")
        request = Request(None, "cheese honey ", 4, filter=tree)
        (found,) = await backend.candidates([request], later())
        (all_of_them,) = await backend.candidates([replace(request, k=COUNT, filter=None)], later())
        passing = {document.id for document in documents if matches(tree, document)}
        expected = [key for key, _ in all_of_them[LEXICAL] if key.document in passing]
        assert [key for key, _ in found[LEXICAL]] == expected[:4]

    async def test_a_deadline_that_has_passed_is_told_at_once(self, backend: Backend) -> None:
        request, passed = Request(unit_vectors(1, 11)[0], "", 5), time.monotonic() - 1
        for call in (
            backend.candidates([request], passed),
            backend.evidence([[Key("id 1")]], [request], passed),
            backend.fetch(["id 1"], passed),
        ):
            with pytest.raises(DeadlinePassed):
                await call
        # And it answers again.
        assert (await find(backend, [Request(unit_vectors(1, 11)[0], "", 5)], later()))[0].hits

    async def test_requests_at_the_same_time_do_not_mix(self, backend: Backend) -> None:
        requests = [Request(query, "", 1 + row % 9) for row, query in enumerate(unit_vectors(40, 12))]
        alone = [(await find(backend, [request], later()))[0] for request in requests]
        together = await asyncio.gather(*(find(backend, [request], later()) for request in requests))
        assert [found for (found,) in together] == alone

    async def test_a_cancelled_search_disturbs_nobody(self, backend: Backend) -> None:
        request = Request(unit_vectors(1, 13)[0], "", 5)
        (expected,) = await find(backend, [request], later())
        tasks = [asyncio.create_task(find(backend, [request], later())) for _ in range(6)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) or result == [expected] for result in results)
        assert list(results[1::2]) == [[expected]] * 3

    async def test_the_vocabulary_counts_documents(self, backend: Backend, documents: list[Document]) -> None:
        if backend.capabilities.vocabulary is None:
            pytest.skip("it counts no words")
        counts = await backend.capabilities.vocabulary()
        assert counts["eggs"] == sum("eggs" in f"{one.title} {one.text}".split() for one in documents)

    async def test_writes_change_the_version_and_what_is_found(self, backend: Backend) -> None:
        writes = backend.capabilities.writes
        if writes is None:
            pytest.skip("it takes no documents")
        vector = unit_vectors(1, 14)
        request = Request(vector[0], "quince", 1)
        versions = [backend.version]
        await writes.upsert([Document("new", "Quince", "a fruit")], vector)
        versions.append(backend.version)
        (found,) = await find(backend, [request], later())
        assert (found.hits[0].id, found.version, backend.count) == ("new", versions[1], COUNT + 1)
        await writes.upsert([Document("new", "Quince jelly")], vector)
        versions.append(backend.version)
        assert (await backend.fetch(["new"], later()))["new"].title == "Quince jelly"
        assert await writes.delete(["new", "no such id"]) == 1
        versions.append(backend.version)
        assert (await find(backend, [request], later()))[0].hits[0].id != "new"
        assert backend.count == COUNT
        assert len(set(versions)) == 4

    async def test_the_version_stays_while_nothing_changes(self, backend: Backend) -> None:
        before = backend.version
        await find(backend, [Request(unit_vectors(1, 15)[0], "eggs", 5)], later())
        assert backend.version == before

    async def test_after_closing_every_call_says_so(self, documents: list[Document], vectors: Vectors) -> None:
        backend = await self.make(documents, vectors)
        await backend.close()
        await backend.close()
        request = Request(unit_vectors(1, 16)[0], "", 5)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: backend.candidates([request], later()),
            lambda: backend.evidence([[]], [request], later()),
            lambda: backend.fetch(["id 1"], later()),
        ]
        if (counts := backend.capabilities.vocabulary) is not None:
            calls.append(counts)
        if (writes := backend.capabilities.writes) is not None:
            calls += [lambda: writes.upsert([], np.empty((0, DIM), np.float32)), lambda: writes.delete(["id 1"])]
        for call in calls:
            with pytest.raises(BackendClosed):
                await call()

    async def test_no_documents_are_no_hits(self) -> None:
        backend = await self.make([], np.empty((0, DIM), np.float32))
        try:
            assert (await find(backend, [Request(unit_vectors(1, 17)[0], "eggs", 5)], later()))[0].hits == []
            assert backend.count == 0
        finally:
            await backend.close()
