"""The contract of the search port: what every back end must do. Subclass :class:`BackendContract` to test yours::

    class TestMine(BackendContract):
        async def make(self, documents, vectors):
            ...  # a back end that holds these documents, one passage each

The oracles are brute force, :mod:`typeahead.search.terms`, and :func:`typeahead.search.filters.matches`. What a back
end does not offer is skipped, so a run says what it lacks.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from tests.search.contract_living import LivingContract
from tests.search.contract_oracles import (
    COUNT,
    DIM,
    FILTERS,
    ask,
    asked,
    assert_same,
    count_forms,
    documents,
    holds,
    ids,
    later,
    unit_vectors,
    until,
)
from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, DeadlinePassed, UnsupportedFilter
from typeahead.search.filters import KINDS, Equal, Filter, Range, kinds, matches
from typeahead.search.port import DENSE, LEXICAL, Backend, Entry, Key, Request
from typeahead.search.ranking import find
from typeahead.search.terms import Term, Words, admits, document_frequencies, forms, parts, weigh
from typeahead.text.document import Document, Passage

ANY = documents(fields=False)[1]
#: No term here is in more than a third of the documents, as an index may pass over such words beside rarer ones.
WORDS: dict[str, Words] = {
    "one word": asked("cheese"),
    "two words": asked("Chees, CHEESE honey"),
    "a word with parts": asked("ice-cream"),
    "a part of words": asked("dough"),
    "diacritics": asked("BRÛLÉE"),
    "a beginning": Words([Term({}, "che")]),
    "a word and its continuations": Words([Term({"pea": 1.0}, "pea", 0.5)]),
    "a slip": Words([Term({"mint": 0.6, "dill": 0.6})]),
    "a beginning that counts less, beside a word": Words([Term({}, "ging", 0.7), Term({"rice": 1.0})]),
    "a word that nobody wrote, beside another": asked("zzz olive"),
}


class BackendContract(LivingContract):
    """Tests of a back end; see the module's text."""

    #: Whether the back end keeps documents' fields.
    fields = True
    #: Whether a term of several words counts as the commonest of them. Parts of an index do not agree on which that is.
    commonest = True

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

    @pytest.mark.parametrize(("k", "offset"), [(1, 0), (8, 0), (3, 5), (COUNT, 0), (COUNT, 2 * COUNT)])
    async def test_vectors_find_what_brute_force_finds(
        self, backend: Backend, documents: list[Document], vectors: Vectors, k: int, offset: int
    ) -> None:
        for query in unit_vectors(9, 2):
            found = await ask(backend, Request(query, None, k, offset))
            assert set(found.arms) == {DENSE}
            exact = dict(zip((one.id for one in documents), (vectors @ query).tolist(), strict=True))
            assert found.similarities == pytest.approx([exact[key.document] for key in found.keys], abs=1e-5)
            # Whichever way ties went.
            wanted = min(k + offset, COUNT)
            best = sorted((exact[one] for one in ids(found, DENSE)), reverse=True)[:wanted]
            assert best == pytest.approx(sorted(exact.values(), reverse=True)[:wanted], abs=1e-5)

    async def test_the_length_of_a_query_does_not_matter_by_cosine(self, backend: Backend) -> None:
        query = unit_vectors(1, 3)[0]
        one, other = await ask(backend, Request(query, None, 5)), await ask(backend, Request(4 * query, None, 5))
        assert list(one.keys) == list(other.keys)
        assert one.similarities == pytest.approx(other.similarities, abs=1e-6)

    async def test_a_query_of_zeros_finds_nothing_by_its_vector(self, backend: Backend) -> None:
        found = await ask(backend, Request(np.zeros(DIM, np.float32), asked("cheese"), 5))
        assert not ids(found, DENSE)
        assert np.isnan(found.similarities).all()

    async def test_the_evidence_of_every_candidate_is_exact(
        self, backend: Backend, documents: list[Document], vectors: Vectors
    ) -> None:
        query = unit_vectors(1, 8)[0]
        rows = {document.id: row for row, document in enumerate(documents)}
        for words in (*WORDS.values(), asked("the eggs, and ice-cream"), Words([Term({"the": 1.0}, "t", 0.5)])):
            found = await ask(backend, Request(query, words, 4))
            held = [rows[key.document] for key in found.keys]
            # Those that only words found have a similarity, too, and those that only the vector found have words.
            assert found.similarities == pytest.approx((vectors[held] @ query).tolist(), abs=1e-5)
            weighed = weigh([documents[row] for row in held], words.terms)
            np.testing.assert_allclose(found.frequencies, weighed.frequencies)
            np.testing.assert_allclose(found.weights, weighed.weights, rtol=1e-6)
            np.testing.assert_allclose(found.lengths, weighed.lengths)
            lengths = [len(forms(document.title)) + len(forms(document.text)) for document in documents]
            assert found.average_length == pytest.approx(np.mean(lengths))

    async def test_without_a_vector_there_is_no_similarity(self, backend: Backend) -> None:
        assert np.isnan((await ask(backend, Request(None, asked("cheese"), 5))).similarities).all()

    @pytest.mark.parametrize("name", WORDS)
    async def test_words_find_documents_that_hold_them(
        self, backend: Backend, documents: list[Document], name: str
    ) -> None:
        self._needs_words(backend)
        words = WORDS[name]
        expected = {document.id for document in documents if holds(document, words)}
        assert 0 < len(expected) < COUNT / 2
        for k in (1, 3, len(expected), COUNT):
            found = await ask(backend, Request(None, words, k))
            assert set(found.arms) == {LEXICAL}
            assert ids(found, LEXICAL) <= expected
            assert len(ids(found, LEXICAL)) >= min(k, len(expected))

    async def test_a_word_that_most_documents_hold_finds_them_if_there_is_no_other(
        self, backend: Backend, documents: list[Document]
    ) -> None:
        self._needs_words(backend)
        found = await ask(backend, Request(None, asked("the"), COUNT))
        assert ids(found, LEXICAL) == {document.id for document in documents if holds(document, asked("the"))}
        # Beside a rarer one it may be left out, but the rarer one may not.
        found = await ask(backend, Request(None, asked("the cheese"), COUNT))
        assert ids(found, LEXICAL) >= {document.id for document in documents if holds(document, asked("cheese"))}
        assert ids(found, LEXICAL) <= {document.id for document in documents if holds(document, asked("the cheese"))}

    @pytest.mark.parametrize("words", [asked("zzz"), Words([Term({}, "zzz")]), Words(())], ids=str)
    async def test_words_that_nobody_wrote_find_nothing(self, backend: Backend, words: Words) -> None:
        self._needs_words(backend)
        found = await ask(backend, Request(None, words, 5))
        assert set(found.arms) == {LEXICAL}
        assert list(found.keys) == []

    async def test_each_arm_finds_beside_the_other_what_it_finds_alone(self, backend: Backend) -> None:
        self._needs_words(backend)
        query = unit_vectors(1, 9)[0]
        both = await ask(backend, Request(query, asked("eggs"), 4))
        assert set(both.arms) == {DENSE, LEXICAL}
        assert ids(both, DENSE) == ids(await ask(backend, Request(query, None, 4)), DENSE)
        assert ids(both, LEXICAL) == ids(await ask(backend, Request(None, asked("eggs"), 4)), LEXICAL)

    @pytest.mark.parametrize(
        ("phrases", "without"),
        [
            ([["ice", "cream"]], []),
            ([["creme", "brulee"]], []),
            ([["the", "ice"]], []),
            # The end of a title, and the beginning of its text.
            ([[parts(ANY.title)[-1], parts(ANY.text)[0]]], []),
            ([["cream", "ice"]], []),
            ([["creme", "brulee"], ["ice", "cream"]], []),
            ([], ["icecream"]),
            ([], ["cream"]),
            ([], ["eggs", "zzz"]),
            ([["ice", "cream"]], ["eggs", "the"]),
        ],
    )
    async def test_phrases_must_be_there_and_words_to_leave_out_must_not(
        self, backend: Backend, documents: list[Document], phrases: list[list[str]], without: list[str]
    ) -> None:
        if not backend.capabilities.phrases:
            pytest.skip("it finds no phrases")
        words = Words([Term({form: 1.0}) for phrase in phrases for form in phrase], phrases, without)
        passing = {document.id for document in documents if admits(document, words)}
        found = await ask(backend, Request(unit_vectors(1, 20)[0], words, COUNT))
        assert ids(found, DENSE) == passing
        assert ids(found, LEXICAL) == {one.id for one in documents if one.id in passing and holds(one, words)}
        # The best of those that pass, not those of the best that pass.
        few = await ask(backend, Request(unit_vectors(1, 20)[0], words, 2))
        assert min(2, len(passing)) <= len(ids(few, DENSE) & passing)
        assert {key.document for key in few.keys} <= passing

    async def test_words_to_leave_out_are_left_out_of_what_a_filter_admits(
        self, backend: Backend, documents: list[Document]
    ) -> None:
        tree = Range("year", gte=2010)
        if not (backend.capabilities.phrases and kinds(tree) <= backend.capabilities.filters):
            pytest.skip("it leaves out no words, or does not filter")
        words = Words(asked("cheese").terms, without=["eggs", "the"])
        passing = {one.id for one in documents if matches(tree, one) and admits(one, words)}
        for k in (2, COUNT):
            found = await ask(backend, Request(unit_vectors(1, 24)[0], words, k, filter=tree))
            assert {key.document for key in found.keys} <= passing
            assert len(ids(found, DENSE)) == min(k, len(passing))

    async def test_document_frequencies_are_exact_for_words_and_bounds_for_beginnings(
        self, backend: Backend, documents: list[Document]
    ) -> None:
        self._needs_words(backend)
        counts = count_forms(documents)
        exact = [Term({one: 1.0}) for one in ("eggs", "icecream", "ice", "creme", "the", "zzz", "E")]
        slip = Term({"eggs": 0.6, "jam": 0.6})
        bounded = [Term({}, one) for one in ("c", "che", "pea", "t", "zzz")] + [Term({"pea": 1.0}, "pea", 0.5)]
        request = Request(unit_vectors(1, 21)[0], Words([*exact, *bounded, slip]), 5)
        *found, slipped = (await ask(backend, request)).document_frequencies.tolist()
        assert found[: len(exact)] == document_frequencies(counts, COUNT, exact).tolist()
        (largest,) = document_frequencies(counts, COUNT, [slip])
        assert slipped == largest or (
            not self.commonest and largest <= slipped <= sum(counts[one] for one in slip.words)
        )
        for term, frequency in zip(bounded, found[len(exact) :], strict=True):
            words = Words([Term(term.words, "" if term.words else term.beginning)])
            assert sum(holds(document, words) for document in documents) <= frequency <= COUNT

    async def test_candidates_come_in_the_same_order_every_time(self, backend: Backend, vectors: Vectors) -> None:
        request = Request(vectors[9], asked("eggs"), 20)
        first = await ask(backend, request)
        for _ in range(2):
            assert_same(await ask(backend, request), first)

    async def test_candidates_of_equal_evidence_come_in_the_same_order_for_every_k(
        self, backend: Backend, documents: list[Document], vectors: Vectors
    ) -> None:
        tied = {document.id for document in documents[9:14]}
        orders = []
        for k in (5, 20, 3 * COUNT):
            found = await ask(backend, Request(vectors[9], None, k))
            orders.append([key for key in found.keys if key.document in tied])
        assert len(orders[0]) == 5
        assert orders[0] == orders[1] == orders[2]

    async def test_a_batch_gives_what_its_requests_give_alone(self, backend: Backend) -> None:
        requests = [
            Request(None if k == 3 else query, None if k == 5 else words, k)
            for query, words, k in zip(unit_vectors(6, 4), WORDS.values(), range(1, 7), strict=False)
        ]
        together = await backend.candidates(requests, later())
        for request, found in zip(requests, together, strict=True):
            assert_same(found, await ask(backend, request))
        hits = await find(backend, requests, later())
        assert hits == [(await find(backend, [request], later()))[0] for request in requests]
        assert list(await backend.candidates([], later())) == []

    async def test_the_scope_of_a_request_changes_nothing_in_its_answer(self, backend: Backend) -> None:
        request = Request(unit_vectors(1, 22)[0], asked("eggs"), 5, scope=1)
        first = await ask(backend, request)
        for scope in (1, 2, 0):
            assert_same(await ask(backend, replace(request, scope=scope)), first)

    async def test_offset_goes_on_where_the_first_hits_end(self, backend: Backend) -> None:
        request = Request(unit_vectors(1, 5)[0], asked("eggs"), 24)
        (whole,) = await find(backend, [request], later())
        (rest,) = await find(backend, [replace(request, k=10, offset=14)], later())
        assert rest.hits == whole.hits[14:]
        (beyond,) = await find(backend, [replace(request, offset=COUNT)], later())
        assert beyond.hits == []

    @pytest.mark.parametrize(("k", "offset"), [(0, 0), (-1, 0), (1, -1)])
    async def test_a_request_that_makes_no_sense_is_refused(self, backend: Backend, k: int, offset: int) -> None:
        with pytest.raises(ValueError, match="must be"):
            await backend.candidates([Request(unit_vectors(1, 6)[0], None, k, offset)], later())

    async def test_documents_are_fetched_by_id(self, backend: Backend, documents: list[Document]) -> None:
        wanted = [Key(one) for one in (documents[7].id, "no such id", documents[3].id, "\ud800", "")]
        assert dict(await backend.fetch(wanted, later())) == {Key(one.id): one for one in (documents[3], documents[7])}
        assert await backend.fetch([], later()) == {}

    @pytest.mark.parametrize("tree", FILTERS, ids=str)
    async def test_filters_are_those_of_the_python_evaluator(
        self, backend: Backend, documents: list[Document], vectors: Vectors, tree: Filter
    ) -> None:
        query = unit_vectors(1, 10)[0]
        request = Request(query, None, COUNT, filter=tree)
        if not kinds(tree) <= backend.capabilities.filters:
            with pytest.raises(UnsupportedFilter):
                await find(backend, [request], later())
            return
        passing = {document.id for document in documents if matches(tree, document)}
        assert ids(await ask(backend, request), DENSE) == passing
        # The best of those that pass, not those of the best that pass.
        few = await ask(backend, replace(request, k=3))
        exact = {one.id: value for one, value in zip(documents, (vectors @ query).tolist(), strict=True)}
        best = sorted((exact[one] for one in passing), reverse=True)[:3]
        assert {key.document for key in few.keys} <= passing
        assert sorted(few.similarities.tolist(), reverse=True)[:3] == pytest.approx(best, abs=1e-5)

    @pytest.mark.parametrize("tree", [Equal("tags", "eggs"), Range("year", gte=2010)], ids=str)
    async def test_words_are_filtered_too(self, backend: Backend, documents: list[Document], tree: Filter) -> None:
        if not (backend.capabilities.lexical and kinds(tree) <= backend.capabilities.filters):
            pytest.skip("it finds no words, or does not filter")
        words = asked("cheese honey")
        expected = {one.id for one in documents if matches(tree, one) and holds(one, words)}
        for k in (1, 4, COUNT):
            found = await ask(backend, Request(unit_vectors(1, 23)[0], words, k, filter=tree))
            assert ids(found, LEXICAL) <= expected
            assert len(ids(found, LEXICAL)) >= min(k, len(expected))
            # Frequencies are those of all documents.
            frequencies = document_frequencies(count_forms(documents), COUNT, words.terms)
            np.testing.assert_array_equal(found.document_frequencies, frequencies)

    async def test_a_deadline_that_has_passed_is_told_at_once(self, backend: Backend) -> None:
        request, passed = Request(unit_vectors(1, 11)[0], None, 5), time.monotonic() - 1
        for call in (
            backend.candidates([request], passed),
            backend.fetch([Key("id 1")], passed),
        ):
            with pytest.raises(DeadlinePassed):
                await call
        # And it answers again.
        assert (await find(backend, [Request(unit_vectors(1, 11)[0], None, 5)], later()))[0].hits

    async def test_requests_at_the_same_time_do_not_mix(self, backend: Backend) -> None:
        requests = [Request(query, None, 1 + row % 9) for row, query in enumerate(unit_vectors(40, 12))]
        alone = [(await find(backend, [request], later()))[0] for request in requests]
        together = await asyncio.gather(*(find(backend, [request], later()) for request in requests))
        assert [found for (found,) in together] == alone

    async def test_a_cancelled_search_disturbs_nobody(self, backend: Backend) -> None:
        request = Request(unit_vectors(1, 13)[0], None, 5)
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
        assert dict(counts) == count_forms(documents)

    async def test_writes_change_the_version_and_what_is_found(self, backend: Backend) -> None:
        writes = backend.capabilities.writes
        if writes is None:
            pytest.skip("it takes no documents")
        vector = unit_vectors(1, 14)
        request = Request(vector[0], asked("quince"), 1)
        versions = [backend.version]
        assert writes.divides in (True, False)
        await until(backend, await writes.upsert([_entry(Document("new", "Quince", "a fruit"), vector)]))
        versions.append(backend.version)
        (found,) = await find(backend, [request], later())
        assert (found.hits[0].id, found.version, backend.count) == ("new", versions[1], COUNT + 1)
        await until(backend, await writes.upsert([_entry(Document("new", "Quince jelly"), vector)]))
        versions.append(backend.version)
        assert (await backend.fetch([Key("new")], later()))[Key("new")].title == "Quince jelly"
        removed, version = await writes.delete(["new", "no such id"])
        await until(backend, version)
        assert (removed, str(version)) == (1, backend.version)
        versions.append(backend.version)
        assert (await find(backend, [request], later()))[0].hits[0].id != "new"
        assert backend.count == COUNT
        assert len(set(versions)) == 4

    async def test_the_version_stays_while_nothing_changes(self, backend: Backend) -> None:
        before = backend.version
        await find(backend, [Request(unit_vectors(1, 15)[0], asked("eggs"), 5)], later())
        assert backend.version == before

    async def test_after_closing_every_call_says_so(self, documents: list[Document], vectors: Vectors) -> None:
        backend = await self.make(documents, vectors)
        await backend.close()
        await backend.close()
        request = Request(unit_vectors(1, 16)[0], None, 5)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: backend.candidates([request], later()),
            lambda: backend.fetch([Key("id 1")], later()),
        ]
        if (counts := backend.capabilities.vocabulary) is not None:
            calls.append(counts)
        if (writes := backend.capabilities.writes) is not None:
            calls += [lambda: writes.upsert([]), lambda: writes.delete(["id 1"])]
        for call in calls:
            with pytest.raises(BackendClosed):
                await call()

    async def test_no_documents_are_no_hits(self) -> None:
        backend = await self.make([], np.empty((0, DIM), np.float32))
        try:
            assert (await find(backend, [Request(unit_vectors(1, 17)[0], asked("eggs"), 5)], later()))[0].hits == []
            found = await ask(backend, Request(unit_vectors(1, 17)[0], asked("eggs"), 5))
            assert (list(found.keys), backend.count) == ([], 0)
        finally:
            await backend.close()

    def _needs_words(self, backend: Backend) -> None:
        if not backend.capabilities.lexical:
            pytest.skip("it finds no words")


def _entry(document: Document, vectors: Vectors) -> Entry:
    return Entry(document, (Passage(document.text),), vectors)
