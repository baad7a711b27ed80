"""Whatever is written, replaced, deleted and merged, what is searched is what a dictionary would hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.index.changes.entries import DIM, entries, entry
from tests.index.hashing import HashingEncoder
from tests.index.lexical.test_lexical import WORDS
from typeahead.index import build_index
from typeahead.index import contents as contents_module
from typeahead.index.changes import following
from typeahead.index.changes.following import Changes, State
from typeahead.index.changes.journal import Journal, Superseded
from typeahead.index.changes.memory import MemoryPart
from typeahead.index.changes.records import Deleted, Stored
from typeahead.index.contents import Contents
from typeahead.index.folder import Index, open_index
from typeahead.index.queries import Preparation
from typeahead.search.filters import Filter, matches, read_filter
from typeahead.search.port import Entry
from typeahead.search.terms import Term, admits, weigh
from typeahead.search.terms import Words as Asked

FILTERS = [{"colour": "red"}, {"year": {"gte": 3}}, {"not": {"colour": ["red", "blue"]}}, {"year": {"exists": True}}]
QUERIES = HashingEncoder().encode(["egg", "tea pot", "something else"])

keys = st.sampled_from([f"k{row}" for row in range(12)])
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
parts = st.lists(texts.map(lambda text: text + "\n"), min_size=1, max_size=3)
fields = st.fixed_dictionaries(
    {}, optional={"colour": st.sampled_from(["red", "blue", "green"]), "year": st.integers(0, 5)}
)
written = st.builds(lambda key, text, title, values: entry(key, text, title, fields=values), keys, parts, texts, fields)
changes = st.lists(st.one_of(written, written, st.builds(Deleted, keys)), min_size=1, max_size=6)


def contents(state: State) -> Contents:
    words = [
        part.words if mask is None else part.words.without(np.flatnonzero(~mask))
        for part, mask in zip(state.parts, state.admitted, strict=True)
    ]
    return Contents(state.version, state.parts, state.admitted, words)


def check(found: Contents, held: dict[str, Entry], tree: Filter | None = None) -> None:
    """Compare contents with what a loop over a dictionary finds."""
    admitted = {key: one for key, one in held.items() if tree is None or matches(tree, one.document)}
    masks = found.masks(tree)
    rows = found.live_rows(masks)
    assert sorted(map(found.id, rows.tolist())) == sorted(admitted)
    assert found.count == len(held)
    assert found.passage_count == sum(len(one.passages) for one in held.values())
    by_id = dict(zip(map(found.id, rows.tolist()), rows.tolist(), strict=True))
    places = found.find([*held, "nothing"])
    assert set(places) == set(held)
    assert all(places[key] == row for key, row in by_id.items())
    for document in found.documents(list(by_id.values())):
        assert document == held[document.id].document
        assert dict(document.fields) == dict(held[document.id].document.fields)
    for query, near in zip(QUERIES, found.nearest(QUERIES, 5, masks), strict=True):
        best = {key: max(float(vector @ query) for vector in one.vectors) for key, one in admitted.items()}
        scores = sorted(best.values(), reverse=True)[:5]
        np.testing.assert_allclose(near.scores, scores, atol=1e-5)
        for row, score in zip(near.rows.tolist(), near.scores.tolist(), strict=True):
            assert abs(best[found.id(row)] - score) < 1e-5
    asked = [Term({"egg": 1.0, "eggs": 0.5}), Term({}, "te"), Term({"path": 1.0})]
    looked_up = found.look_up(asked)
    documents = [held[found.id(row)].document for row in rows.tolist()]
    for ours, theirs in zip(found.evidence(rows, looked_up), weigh(documents, asked), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    every = weigh([one.document for one in held.values()], asked)
    np.testing.assert_array_equal(found.document_frequencies(looked_up)[1:], every.weights.any(axis=1).sum(axis=0)[1:])
    if held:
        assert found.average_length == pytest.approx(every.lengths.sum() / len(held))
    for phrase, without in (((), ()), ((["os", "path"],), ()), ((), ("egg",))):
        terms = [] if phrase else looked_up
        matching = found.matching(
            terms or found.look_up([]), max(1, found.rows), masks, phrase, [Term({form: 1.0}) for form in without]
        )
        expected = {
            one.document.id
            for one in admitted.values()
            if admits(one.document, Asked((), phrase, without))
            and (phrase or weigh([one.document], asked).weights.any())
        }
        assert {found.id(row) for row in matching.tolist()} == expected
    for name in ("colour", "year"):
        counted: dict[object, int] = {}
        for one in admitted.values():
            if name in one.document.fields:
                counted[one.document.fields[name]] = counted.get(one.document.fields[name], 0) + 1
        assert found.counts(name, masks) == counted


class Following(RuleBasedStateMachine):
    """Random changes, read at random moments, with parts so small that they are merged all the time."""

    folder: Path
    index: Index
    base: dict[str, Entry]

    @initialize(small=st.sampled_from([0, 3, 8, 512]))
    def begin(self, small: int) -> None:
        self.before, following.SMALL = following.SMALL, small  # type: ignore[misc]
        self.place = Path(tempfile.mkdtemp())
        self.journal = Journal.of(self.place, self.index.manifest, self.index.part.columns.kinds)
        self.follower = Changes.of(self.journal, self.index)
        self.held = dict(self.base)
        self.seen = dict(self.base)
        self.state = self.follower.refresh()
        #: Contents that somebody may still be searching, and what they hold.
        self.kept: list[tuple[Contents, dict[str, Entry]]] = []

    @rule(some=changes)
    def write(self, some: list[Entry | Deleted]) -> None:
        self.journal.append(some)
        for change in some:
            self.held.pop(change.id if isinstance(change, Deleted) else change.document.id, None)
            if not isinstance(change, Deleted):
                self.held[change.document.id] = change

    @rule()
    def read(self) -> None:
        if self.seen != self.held:
            self.kept.append((contents(self.state), self.seen))
        self.state = self.follower.refresh()
        self.seen = dict(self.held)
        assert self.state.sequence == self.journal.last_version

    @rule()
    def read_again(self) -> None:
        self.read()
        again = self.follower.refresh()
        assert again.version == self.state.version
        assert all(one is other for one, other in zip(again.parts, self.state.parts, strict=True))

    @rule()
    def begin_anew(self) -> None:
        self.read()
        self.follower = Changes.of(self.journal, self.index)
        self.state = self.follower.refresh()

    @rule(tree=st.sampled_from(FILTERS).map(read_filter))
    def search_some(self, tree: Filter) -> None:
        check(contents(self.state), self.seen, tree)

    @invariant()
    def what_is_searched_is_what_is_there(self) -> None:
        if hasattr(self, "state"):
            check(contents(self.state), self.seen)

    def teardown(self) -> None:
        if hasattr(self, "state"):
            following.SMALL = self.before  # type: ignore[misc]
            for found, held in self.kept[-2:]:
                check(found, held)
            self.journal.close()
            shutil.rmtree(self.place)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("following") / "index"
    build_index([one.document for one in base_entries()], folder, HashingEncoder())
    return open_index(folder)


def base_entries() -> Sequence[Entry]:
    return [
        entry(f"k{row}", f"{WORDS[row]} {WORDS[row - 1]}", WORDS[row - 2], fields={"colour": "red", "year": row})
        for row in range(6)
    ]


def test_random_changes_are_those_of_a_dictionary(index: Index) -> None:
    Following.index, Following.base = index, {one.document.id: one for one in base_entries()}
    run_state_machine_as_test(Following, settings=settings(max_examples=25, stateful_step_count=12, deadline=None))


def test_many_changes_are_one_large_part_and_few_a_small_one(index: Index, tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        follower = Changes.of(journal, index)
        assert follower.refresh().parts == (index.part,)
        for start in range(0, 2000, 100):
            journal.append(entries(100, start=start))
        assert [part.count for part in follower.refresh().parts] == [6, 2000]
        journal.append([*entries(500, start=2000), Deleted("d5"), Deleted("d2499")])
        state = follower.refresh()
        assert [part.count for part in state.parts] == [6, 2000, 499]
        assert state.admitted[1] is not None
        assert np.flatnonzero(~state.admitted[1]).tolist() == [5]
        assert state.admitted[2] is None
        journal.append(entries(100, start=3000))
        merged = follower.refresh()
        assert [part.count for part in merged.parts] == [6, 2598]
        # Whoever searches the earlier state still finds all of it.
        assert [part.count for part in state.parts] == [6, 2000, 499]
        check(
            contents(merged),
            {
                one.document.id: one
                for one in [*base_entries(), *entries(2500), *entries(100, start=3000)]
                if one.document.id not in ("d5", "d2499")
            },
        )


def test_a_part_whose_documents_are_all_gone_is_given_up(index: Index, tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        follower = Changes.of(journal, index)
        journal.append(entries(600))
        journal.append(entries(2, start=600))
        follower.refresh()
        journal.append([Deleted(f"d{row}") for row in range(602)])
        assert follower.refresh().parts == (index.part,)


def test_a_follower_whose_changes_are_in_a_newer_generation_says_so(index: Index, tmp_path: Path) -> None:
    with Journal(tmp_path, dim=DIM) as journal:
        follower = Changes.of(journal, index)
        journal.drop_until(journal.append(entries(3)))
        before = journal.append(entries(3))
        with pytest.raises(Superseded):
            follower.refresh()
        later = Changes(journal, index.part, index.part.preparation, sequence=before - 1, version=before - 1)
        assert [part.count for part in later.refresh().parts] == [6, 3]


def test_a_view_holds_some_rows_of_a_part_in_files_or_in_memory(index: Index) -> None:
    memory = MemoryPart.of(
        [Stored.of(one) for one in [entry("long", ["egg tea\n", "useEffect\n"], "title"), *base_entries()]],
        Preparation(DIM, True),
    )
    for part, rows in ((index.part, [1, 4]), (memory, [0, 2, 5]), (MemoryPart.of_rows(memory, np.array([0, 1])), [0])):
        view = MemoryPart.of_rows(part, np.array(rows))
        held = {}
        for place, row in enumerate(rows):
            document, passages = part.divided(row)
            held[document.id] = entry(
                document.id, [one.text for one in passages], document.title, fields=document.fields
            )
            assert view.divided(place) == (document, passages)
            assert view.documents([place]) == [document]
        check(Contents(1, [view], [None], [view.words]), held)
        first = [0] if part.passages.starts is None else part.passages.starts[rows[:1]].tolist()
        assert view.shown([0]) == part.shown(first if part.passages.starts is not None else rows[:1])
        assert set(view.words.vocabulary) == {form for one in held.values() for form in Stored.of(one).words.forms}


def test_passages_are_shown_with_their_text_and_the_place_on_their_page() -> None:
    part = MemoryPart.of([
        Stored.of(entry("short", "all", "Short", url="/short")),
        Stored.of(entry("long", ["one ", "two"], "Long", url="/long")),
    ], Preparation(DIM, True))  # fmt: skip
    assert [(one.id, one.text, one.url) for one in part.shown([2, 0, 1])] == [
        ("long", "two", "/long#a1"), ("short", "all", "/short"), ("long", "one ", "/long#a0")
    ]  # fmt: skip
    assert part.documents([1])[0].text == "one two"


def test_vectors_of_fewer_dimensions_are_projected_as_queries_are() -> None:
    projection = np.linalg.qr(np.random.default_rng(3).normal(size=(DIM, DIM)))[0][:, :4].astype(np.float32)
    some = [entry(f"d{row}", f"text {row}") for row in range(20)]
    part = MemoryPart.of([Stored.of(one) for one in some], Preparation(DIM, True, projection))
    near = part.nearest(np.stack([one.vectors[0] for one in some]), 1, None)
    assert [one.rows.tolist() for one in near] == [[row] for row in range(20)]
    assert part.vectors(np.arange(20)).shape == (20, 4)


def test_a_query_of_zeros_finds_nothing() -> None:
    part = MemoryPart.of([Stored.of(entry("a", "text"))], Preparation(DIM, True))
    (none, one) = part.nearest(np.stack([np.zeros(DIM, np.float32), QUERIES[0]]), 3, None)
    assert len(none.rows) == 0
    assert len(one.rows) == 1
    assert part.similarities(np.zeros(DIM, np.float32), np.array([0])) is None


@pytest.mark.parametrize("most", [1, 2, 1024])
def test_ids_are_found_whichever_rows_were_asked_for_before(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_module, "_RECENT", most)
    parts = [
        MemoryPart.of([Stored.of(entry(f"{name}{row}", "x")) for row in range(4)], Preparation(DIM, True))
        for name in "ab"
    ]
    alive = np.array([True, False, True, True])
    contents = Contents(1, parts, [alive, None], [part.words for part in parts])
    expected = {"a0": 0, "a2": 2, "a3": 3, "b0": 4, "b1": 5, "b2": 6, "b3": 7}
    ids = {row: one for one, row in expected.items()}
    for row in [0, 7, 2, 2, 5, 0, 3, 4, 6, 7]:
        assert contents.id(row) == ids[row]
        assert contents.find([*expected, "a1", "nobody"]) == expected
        assert len(contents._recent) <= most
