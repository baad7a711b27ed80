"""The part of the contract about documents that come, change and go, about fields, and about views of some documents.

:class:`tests.search.contract.BackendContract` includes it. The oracle of a view, and of a back end after changes, is a
back end that was built at once from what it should hold.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.search.contract_oracles import (
    COUNT,
    FILTERS,
    NAMES,
    ask,
    asked,
    eventually,
    later,
    unit_vectors,
    until,
)
from typeahead.core.encoder import Vectors
from typeahead.errors import BackendClosed, FieldTypeError
from typeahead.search.filters import And, Equal, Filter, Or, Range, kinds, matches
from typeahead.search.port import Backend, Candidates, Entry, Key, Request, Writes
from typeahead.search.ranking import find
from typeahead.text.document import Document, Passage, Value

#: Scopes of half of the documents, of a few, of one, of all and of none.
SCOPES: tuple[Filter, ...] = (Equal("odd", True), Equal("tags", "eggs"), Equal("year", 2000), And(()), Or(()))


def entry(document: Document, vectors: Vectors) -> Entry:
    """A document with one passage for each of ``vectors``, float32 (passages, DIM)."""
    words = document.text.split(" ")
    cut = [" ".join(words[number :: len(vectors)]) for number in range(len(vectors))]
    text = "\n".join(cut)
    passages = tuple(
        Passage(one + ("\n" if number < len(cut) - 1 else ""), anchor=f"part-{number}" if number else "")
        for number, one in enumerate(cut)
    )
    changed = Document(document.id, document.title, text, document.url, document.fields)
    return Entry(changed, passages, vectors)


def count_values(held: Sequence[Document], names: Sequence[str]) -> dict[str, Counter[Value]]:
    """How many documents have each value."""
    counts: dict[str, Counter[Value]] = {name: Counter() for name in names}
    for document in held:
        for name in names:
            values = document.fields.get(name, ())
            counts[name].update({values} if isinstance(values, str | int | float) else set(values))
    return counts


def by_document(found: Candidates) -> dict[str, list[float]]:
    """The evidence of each candidate, without its order."""
    rows: dict[str, list[float]] = {}
    for row, key in enumerate(found.keys):
        evidence = [found.similarities[row : row + 1], found.frequencies[row], found.weights[row], found.lengths[row]]
        rows[key.document] = np.concatenate([part.reshape(-1) for part in evidence]).tolist()
    return rows


async def assert_alike(backend: Backend, expected: Backend) -> None:
    """Two back ends hold the same documents, as far as anybody can find out."""
    assert backend.count == expected.count
    for number, text in enumerate(("cheese honey", "the eggs", "quince")):
        request = Request(unit_vectors(3, 40)[number], asked(text), COUNT, facets=("tags", "odd"))
        one, other = await ask(backend, request), await ask(expected, request)
        mine, theirs = by_document(one), by_document(other)
        assert mine.keys() == theirs.keys()
        for document, evidence in mine.items():
            assert evidence == pytest.approx(theirs[document], abs=1e-5, nan_ok=True)
        np.testing.assert_array_equal(one.document_frequencies, other.document_frequencies)
        assert one.average_length == pytest.approx(other.average_length)
        assert _plain(one.facets) == _plain(other.facets)
    for name in ("vocabulary", "fields"):
        call, reference = getattr(backend.capabilities, name), getattr(expected.capabilities, name)
        if call is not None and reference is not None:
            assert dict(await call()) == dict(await reference())


def _plain(facets: Any) -> dict[str, dict[Value, int]]:
    return {name: {value: count for value, count in counts.items() if count} for name, counts in facets.items()}


class LivingContract(ABC):
    """Tests of a back end; each fixture is that of :class:`tests.search.contract.BackendContract`."""

    fields = True

    @abstractmethod
    async def make(self, documents: Sequence[Document], vectors: Vectors) -> Backend:
        """Return a back end of ``documents``, whose vectors are float32 (n, DIM), of length 1, by cosine."""

    @pytest.mark.parametrize("tree", [None, *FILTERS], ids=str)
    async def test_facets_of_a_filter_count_all_documents_that_pass(
        self, backend: Backend, documents: list[Document], tree: Filter | None
    ) -> None:
        count = backend.capabilities.facets
        if count is None or (tree is not None and not kinds(tree) <= backend.capabilities.filters):
            pytest.skip("it counts no facets, or does not filter")
        names = ("tags", "odd", "year", "a", "nothing")
        counted = await count(tree, names)
        passing = [one for one in documents if tree is None or matches(tree, one)]
        assert list(counted) == list(names)
        assert _plain(counted) == _plain(count_values(passing, names))

    async def test_facets_of_a_request_count_its_candidates(self, backend: Backend, documents: list[Document]) -> None:
        if backend.capabilities.facets is None:
            pytest.skip("it counts no facets")
        named = {one.id: one for one in documents}
        for tree in (None, Range("year", gte=2010)):
            for k in (1, 5, COUNT):
                request = Request(unit_vectors(1, 30)[0], asked("eggs"), k, filter=tree, facets=("tags", "year"))
                found = await ask(backend, request)
                held = [named[key.document] for key in found.keys]
                assert _plain(found.facets) == _plain(count_values(held, ("tags", "year")))
        assert not (await ask(backend, Request(unit_vectors(1, 30)[0], None, 5))).facets

    async def test_the_fields_of_all_documents_are_told_with_their_kinds(self, backend: Backend) -> None:
        if backend.capabilities.fields is None:
            pytest.skip("it does not tell of fields")
        assert dict(await backend.capabilities.fields()) == (
            {"year": "number", "tags": "text", "odd": "truth", "a": "number"} if self.fields else {}
        )

    async def test_whole_documents_are_returned_by_id(self, backend: Backend, documents: list[Document]) -> None:
        if backend.capabilities.documents is None:
            pytest.skip("it does not return documents")
        found = await backend.capabilities.documents([documents[7].id, "no such id", documents[3].id, ""])
        assert dict(found) == {documents[3].id: documents[3], documents[7].id: documents[7]}

    @pytest.mark.parametrize("tree", SCOPES, ids=str)
    async def test_a_view_is_a_back_end_of_the_documents_that_pass_alone(
        self, backend: Backend, documents: list[Document], vectors: Vectors, tree: Filter
    ) -> None:
        view = await self._view(backend, tree)
        rows = [row for row, document in enumerate(documents) if matches(tree, document)]
        alone = await self.make([documents[row] for row in rows], vectors[rows])
        try:
            await assert_alike(view, alone)
            outside = [Key(one.id) for row, one in enumerate(documents) if row not in rows]
            assert await view.fetch(outside, later()) == {}
            assert view.capabilities.documents is None or not await view.capabilities.documents(
                [key.document for key in outside]
            )
        finally:
            await view.close()
            await alone.close()
        # The whole goes on without it.
        assert (await find(backend, [Request(unit_vectors(1, 31)[0], None, 5)], later()))[0].hits

    async def test_a_view_can_be_filtered_further(self, backend: Backend, documents: list[Document]) -> None:
        view = await self._view(backend, Equal("odd", True))
        request = Request(unit_vectors(1, 32)[0], None, COUNT, filter=Range("year", gte=2010))
        passing = {one.id for one in documents if one.fields["odd"] is True and int(str(one.fields["year"])) >= 2010}
        assert {key.document for key in (await ask(view, request)).keys} == passing
        await view.close()

    async def test_a_view_follows_changes_and_its_version_tells_of_no_others(self, backend: Backend) -> None:
        view, writes = await self._view(backend, Equal("odd", True)), self._writes(backend)
        before, vector = view.version, unit_vectors(1, 33)
        await until(backend, await writes.upsert([entry(Document("even", "Quince", fields={"odd": False}), vector)]))
        assert (view.version, view.count) == (before, COUNT // 2)
        await writes.upsert([entry(Document("odd", "Quince", fields={"odd": True}), vector)])
        await eventually(lambda: view.count == COUNT // 2 + 1)
        assert view.version != before
        (found,) = await find(view, [Request(vector[0], asked("quince"), 2)], later())
        assert found.hits[0].id == "odd"
        assert "even" not in {hit.id for hit in found.hits}
        # It leaves the view as it changes, and as it goes.
        await writes.upsert([entry(Document("odd", "Quince", fields={"odd": False}), vector)])
        await eventually(lambda: view.count == COUNT // 2)
        await view.close()

    async def test_after_many_changes_it_is_like_one_that_was_built_at_once(
        self, backend: Backend, documents: list[Document], vectors: Vectors
    ) -> None:
        writes, draw = self._writes(backend), random.Random(5)
        held = {one.id: (one, vector) for one, vector in zip(documents, vectors, strict=True)}
        spare = iter(unit_vectors(200, 34))
        for step in range(25):
            chosen = draw.sample(sorted(held), draw.randrange(1, 6))
            if step % 3 == 0:
                removed, version = await writes.delete([*chosen, "no such id"])
                assert removed == len(chosen)
                for one in chosen:
                    del held[one]
            else:
                new = [self._drawn(draw, one) for one in [*chosen, f"new {step}"]]
                drawn = [next(spare) for _ in new]
                version = await writes.upsert([entry(one, v[None]) for one, v in zip(new, drawn, strict=True)])
                held.update({one.id: (one, vector) for one, vector in zip(new, drawn, strict=True)})
            await until(backend, version)
            assert str(version) == backend.version
        alone = await self.make([one for one, _ in held.values()], np.stack([vector for _, vector in held.values()]))
        try:
            await assert_alike(backend, alone)
        finally:
            await alone.close()

    async def test_a_divided_document_is_one_candidate_shown_by_its_nearest_passage(self, backend: Backend) -> None:
        writes, vectors = self._writes(backend), unit_vectors(3, 35)
        if not writes.divides:
            pytest.skip("it takes no documents in passages")
        text = "quince one two three four five six"
        divided = entry(Document("long", "Quinces", text, "https://example.org/long"), vectors)
        await until(backend, await writes.upsert([divided]))
        # Where words and meaning lead to different passages, a back end may prefer either.
        for number, (vector, word) in enumerate(zip(vectors, ("three", "four", "five"), strict=True)):
            for words in (None, asked(word), asked("quinces")):
                found = await ask(backend, Request(vector, words, 3))
                assert [key for key in found.keys if key.document == "long"] == [Key("long", number)]
            found = await ask(backend, Request(vector, asked(word), 3))
            row = found.keys.index(Key("long", number))
            assert found.similarities[row] == pytest.approx(1.0, abs=1e-5)
            # Words belong to the whole document.
            assert found.frequencies[row].sum() == 1
            shown = (await backend.fetch([Key("long", number)], later()))[Key("long", number)]
            assert shown.text.strip() == divided.passages[number].text.strip()
            assert shown.url == "https://example.org/long" + (f"#part-{number}" if number else "")
        if backend.capabilities.documents is not None:
            whole = (await backend.capabilities.documents(["long"]))["long"]
            assert whole.text == divided.document.text

    async def test_a_field_keeps_its_kind_of_value_and_nothing_is_written_where_one_does_not(
        self, backend: Backend
    ) -> None:
        writes, vector = self._writes(backend), unit_vectors(1, 36)
        if not self.fields:
            pytest.skip("it keeps no fields")
        good, bad = Document("good", "Good"), Document("bad", "Bad", fields={"year": "2019"})
        before = backend.version
        with pytest.raises(FieldTypeError, match="year"):
            await writes.upsert([entry(good, vector), entry(bad, vector)])
        assert (backend.version, backend.count) == (before, COUNT)
        await writes.upsert([entry(Document("good", fields={"year": 3.5, "new": "text"}), vector)])
        assert (await writes.kinds())["new"] == "text"

    @pytest.mark.parametrize("tree", FILTERS[:8], ids=str)
    async def test_the_ids_of_what_a_filter_admits_are_listed_up_to_a_bound(
        self, backend: Backend, documents: list[Document], tree: Filter
    ) -> None:
        writes = self._writes(backend)
        passing = {one.id for one in documents if matches(tree, one)}
        assert set(await writes.matching(tree, COUNT)) == passing
        few = await writes.matching(tree, 2)
        assert len(few) == min(2, len(passing))
        assert set(few) <= passing

    async def test_after_closing_no_capability_answers(self, documents: list[Document], vectors: Vectors) -> None:
        backend = await self.make(documents, vectors)
        await backend.close()
        offered = backend.capabilities
        calls: list[Any] = [
            (offered.documents, (["id 1"],)),
            (offered.fields, ()),
            (offered.facets, (None, ["tags"])),
            (offered.scoped, (Equal("odd", True),)),
        ]
        for call, arguments in calls:
            if call is not None:
                with pytest.raises(BackendClosed):
                    await call(*arguments)

    def _drawn(self, draw: random.Random, name: str) -> Document:
        year, odd = draw.randrange(1990, 2050), draw.random() < 0.5
        fields: dict[str, Any] = {"year": year, "odd": odd, "tags": draw.sample(NAMES[:12], 2)} if self.fields else {}
        return Document(name, " ".join(draw.choices(NAMES, k=3)), " ".join(draw.choices(NAMES, k=6)), fields=fields)

    async def _view(self, backend: Backend, tree: Filter) -> Backend:
        if backend.capabilities.scoped is None or not self.fields:
            pytest.skip("it makes no views")
        return await backend.capabilities.scoped(tree)

    def _writes(self, backend: Backend) -> Writes:
        if backend.capabilities.writes is None:
            pytest.skip("it takes no documents")
        return backend.capabilities.writes
