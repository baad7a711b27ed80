"""A living index is what a dict would be, whoever writes, merges, follows or opens it again."""

from __future__ import annotations

import gc
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.search.contract_oracles import unit_vectors
from typeahead.errors import IndexFolderError
from typeahead.index import Teacher
from typeahead.index.backend import embed
from typeahead.index.changes import following
from typeahead.index.changes.compacting import compact, create
from typeahead.index.contents import Contents
from typeahead.index.engine import vocabulary
from typeahead.index.living import LivingIndex
from typeahead.index.showing import best_passage, held_together, shares
from typeahead.search.filters import And, Equal, Filter, Not, matches
from typeahead.search.port import Entry
from typeahead.search.terms import Term, forms
from typeahead.text.document import Document, Passage

DIM = 16
VECTORS = unit_vectors(512, 11)
QUERIES = unit_vectors(3, 12)
WORDS = ["apple", "apricot", "bread", "ice-cream", "crème", "the", "zest"]
FILTERS: list[Filter] = [Equal("kind", "a"), Equal("odd", True), Equal("odd", 1), Not(Equal("kind", "b")), And(())]

ids = st.sampled_from([f"d{number}" for number in range(12)])


def test_opening_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    create(tmp_path / "index", Teacher("test", "r1"), DIM)
    with LivingIndex(tmp_path / "index"):
        assert gc.isenabled()
    with pytest.raises(IndexFolderError):
        LivingIndex(tmp_path / "nowhere")
    assert gc.isenabled()
    gc.disable()
    try:
        with LivingIndex(tmp_path / "index"):
            assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("limit", [None, 64])
async def test_an_index_that_was_built_without_dividing_says_so(tmp_path: Path, limit: int | None) -> None:
    create(tmp_path / "index", Teacher("test", "r1"), DIM, passage_limit=limit)
    backend = embed(LivingIndex(tmp_path / "index"))
    writes = backend.capabilities.writes
    assert writes is not None
    assert writes.divides == (limit is not None)
    await backend.close()


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """A document with one passage or several."""
    texts = draw(st.lists(st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join), min_size=1, max_size=3))
    first = draw(st.integers(0, len(VECTORS) - 3))
    document = Document(
        draw(ids),
        draw(st.sampled_from(["", *WORDS])),
        " ".join(texts),
        f"https://example.org/{first}",
        {"kind": draw(st.sampled_from("abc")), "odd": first % 2 == 1},
    )
    passages = tuple(
        Passage(text + (" " if number < len(texts) - 1 else ""), (f"part {number}",), f"p{number}")
        for number, text in enumerate(texts)
    )
    return Entry(document, passages, VECTORS[first : first + len(texts)])


def assert_holds(contents: Contents, held: dict[str, Entry]) -> None:
    """Whatever contents say is what can be counted in a dict."""
    documents = {one: entry.document for one, entry in held.items()}
    assert contents.count == len(held)
    assert contents.passage_count == sum(len(entry.passages) for entry in held.values())
    everything = contents.masks(None)
    rows = contents.live_rows(everything).tolist()
    assert {one.id: one for one in contents.documents(rows)} == documents
    counts = Counter(form for one in documents.values() for form in {*forms(one.title), *forms(one.text)})
    assert dict(vocabulary(contents)) == counts
    _assert_words(contents, documents, counts)
    _assert_together(contents, held)
    for tree in (None, *FILTERS):
        passing = {one: entry for one, entry in held.items() if tree is None or matches(tree, entry.document)}
        masks = contents.masks(tree)
        assert contents.admits(masks) == len(passing)
        kinds = Counter(str(entry.document.fields["kind"]) for entry in passing.values())
        assert {value: count for value, count in contents.counts("kind", masks).items() if count} == kinds
        _assert_nearest(contents, passing, tree)
    assert set(contents.find([f"d{number}" for number in range(12)])) == set(held)


def _assert_words(contents: Contents, documents: dict[str, Document], counts: Counter[str]) -> None:
    names = sorted({form for word in WORDS for form in forms(word)})
    terms = contents.look_up([Term({name: 1.0}) for name in names])
    assert contents.document_frequencies(terms).tolist() == [counts[name] for name in names]
    for name in names:
        one = contents.look_up([Term({name: 1.0})])
        rows = contents.matching(one, 99, contents.masks(None))
        expected = {
            key for key, document in documents.items() if name in {*forms(document.title), *forms(document.text)}
        }
        assert {contents.id(row) for row in rows.tolist()} == expected
        times = contents.evidence(rows, one).frequencies[:, :, 0]
        for row, (title, text) in zip(rows.tolist(), times.tolist(), strict=True):
            document = documents[contents.id(row)]
            assert (title, text) == (forms(document.title).count(name), forms(document.text).count(name))
    total = sum(len(forms(one.title)) + len(forms(one.text)) for one in documents.values())
    assert contents.average_length == pytest.approx(total / len(documents) if documents else 0)


def _assert_together(contents: Contents, held: dict[str, Entry]) -> None:
    asked = [Term({name: 1.0}) for name in ("apple", "bread", "zest")]
    terms = contents.look_up(asked)
    rows = contents.live_rows(contents.masks(None))
    found = held_together(contents, rows, terms, contents.evidence(rows, terms))
    if found is None:
        return
    for row, one in zip(rows.tolist(), found.tolist(), strict=True):
        entry = held[contents.id(row)]
        passages = [
            [float(next(iter(term.words)) in forms(f"{entry.document.title} {passage.text}")) for term in asked]
            for passage in entry.passages
        ]
        share = shares(contents, terms)
        assert one in passages
        assert share @ one == pytest.approx(max(share @ each for each in passages))


def _assert_nearest(contents: Contents, held: dict[str, Entry], tree: Filter | None) -> None:
    for query in QUERIES:
        scores = {one: (entry.vectors.astype(np.float64) @ query).tolist() for one, entry in held.items()}
        best = sorted((max(values) for values in scores.values()), reverse=True)[:5]
        (near,) = contents.nearest(query[None], 5, contents.masks(tree))
        assert near.scores == pytest.approx(best, abs=1e-6)
        keys = [contents.id(row) for row in near.rows.tolist()]
        assert len(set(keys)) == len(keys)
        assert contents.similarities(query, near.rows) == pytest.approx(best, abs=1e-6)
        for row, key in zip(near.rows.tolist(), keys, strict=True):
            number = best_passage(contents, row, query, ())
            assert scores[key][number] == pytest.approx(max(scores[key]), abs=1e-6)
            (shown,) = contents.shown([row], [number])
            entry = held[key]
            assert shown.text == entry.passages[number].text
            assert shown.url == f"{entry.document.url}#{entry.passages[number].anchor}"


class Living(RuleBasedStateMachine):
    """Anything that can happen to a folder, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory(prefix="typeahead-living-")
        self.folder = Path(self._place.name) / "index"
        self.held: dict[str, Entry] = {}

    @initialize(small=st.sampled_from([0, 3, 512]))
    def start(self, small: int) -> None:
        # Parts in memory are merged after so many passages.
        self._sizes = patch.object(following, "SMALL", small)
        self._sizes.start()
        create(self.folder, Teacher("test", None), DIM)
        self.index = LivingIndex(self.folder, linger=0)
        self.other = LivingIndex(self.folder, linger=0)

    @rule(some=st.lists(entries(), min_size=1, max_size=5), second=st.booleans())
    def write(self, some: list[Entry], second: bool) -> None:
        before = int(self.index.version)
        version = (self.other if second else self.index).write(some)
        assert version == before + 1
        for entry in some:
            # The last one of an id stands at the end.
            self.held.pop(entry.document.id, None)
            self.held[entry.document.id] = entry

    @rule(some=st.lists(ids, max_size=4), second=st.booleans())
    def delete(self, some: list[str], second: bool) -> None:
        before = int(self.index.version)
        there = set(some) & set(self.held)
        removed, version = (self.other if second else self.index).delete(some)
        assert (removed, version) == (len(there), before + bool(there))
        for one in there:
            del self.held[one]

    @rule(second=st.booleans())
    def compact(self, second: bool) -> None:
        compact(self.folder)
        (self.other if second else self.index).refresh()

    @rule()
    def open_again(self) -> None:
        self.other.close()
        self.other = LivingIndex(self.folder, linger=0)

    @precondition(lambda self: self.held)
    @rule()
    def compare_with_one_that_is_built_at_once(self) -> None:
        compact(self.folder)
        self.index.refresh()
        with tempfile.TemporaryDirectory() as place:
            create(Path(place) / "index", Teacher("test", None), DIM)
            with LivingIndex(Path(place) / "index", linger=0) as alone:
                alone.write(list(self.held.values()))
                compact(alone.folder)
                alone.refresh()
                assert_same(self.index.contents, alone.contents)

    @invariant()
    def everybody_has_what_was_written(self) -> None:
        if not hasattr(self, "index"):
            return
        for index in (self.index, self.other):
            before = index.contents
            index.refresh()
            assert index.contents.version >= before.version
            assert_holds(index.contents, self.held)
        assert self.index.version == self.other.version

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            self.other.close()
            self._sizes.stop()
        self._place.cleanup()


def assert_same(one: Contents, other: Contents) -> None:
    """Two contents of one part each hold the same documents in the same order, and the same of everything."""
    (mine,), (theirs,) = one.parts, other.parts
    assert list(mine.ids()) == list(theirs.ids())
    rows = list(range(mine.count))
    assert mine.documents(rows) == theirs.documents(rows)
    assert [mine.divided(row) for row in rows] == [theirs.divided(row) for row in rows]
    passages = np.arange(mine.passages.count)
    np.testing.assert_array_equal(mine.vectors(passages), theirs.vectors(passages))
    assert dict(mine.words.vocabulary) == dict(theirs.words.vocabulary)
    assert mine.columns.kinds == theirs.columns.kinds
    terms = [Term({}, "ap"), *(Term({word: 1.0}) for word in WORDS)]
    for first, second in zip(mine.words.evidence(rows, terms), theirs.words.evidence(rows, terms), strict=True):
        np.testing.assert_array_equal(first, second)


TestLiving = Living.TestCase
TestLiving.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
