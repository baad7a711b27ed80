"""An index from Python: what is written, what is passed over, what is encoded, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import typeahead
from tests.index.hashing import HashingEncoder, config, documents
from typeahead.errors import FilterError, ReplacementRefused, TeacherMismatch, TypeaheadError, UnknownField
from typeahead.index import Document, build_index
from typeahead.index.changes import journal
from typeahead.index.changes.compacting import create
from typeahead.index.manifest import Manifest, Teacher
from typeahead.index.opened import OpenIndex
from typeahead.text.dividing import divider_for
from typeahead.text.document import Heading

LONG = "".join(f"Sentence {number} of a long text about many things.\n\n" for number in range(60))


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture
def index(tmp_path: Path, encoder: HashingEncoder) -> Iterator[OpenIndex]:
    build_index(documents(10), tmp_path / "index", encoder)
    encoder.encoded.clear()
    with typeahead.open_index(tmp_path / "index", encoder) as opened:
        yield opened


def test_only_what_changed_is_written_and_encoded(index: OpenIndex, encoder: HashingEncoder) -> None:
    before = index.version
    report = index.upsert(documents(10))
    assert (report.count, report.unchanged, report.encoded, report.version) == (0, 10, 0, before)
    changed = [Document("d3", "title 3", "another text"), *documents(12, start=4)]
    report = index.upsert(changed)
    assert (report.count, report.added, report.unchanged, report.encoded) == (3, 2, 6, 3)
    assert encoder.encoded == ["title 3 another text", "title 10 text of 10", "title 11 text of 11"]
    assert report.version == index.version > before
    assert len(index) == 12
    assert index.get(["d3", "nothing"]) == {"d3": changed[0]}


def test_a_field_or_url_changes_without_encoding(index: OpenIndex, encoder: HashingEncoder) -> None:
    report = index.upsert([{"id": "d1", "title": "title 1", "text": "text of 1", "fields": {"tags": ["a", "b"]}}])
    assert (report.count, report.encoded, encoder.encoded) == (1, 0, [])
    assert index.upsert([Document("d1", "title 1", "text of 1", "", {"tags": ("a", "b")})]).unchanged == 1
    query = HashingEncoder().encode(["title 1 text of 1"])
    assert index.search(query, 1)[0][0].id == "d1"
    assert index.search(query, 1)[0][0].score == pytest.approx(1, abs=1e-5)


def test_of_a_divided_document_only_the_changed_passages_are_encoded(tmp_path: Path, encoder: HashingEncoder) -> None:
    create(tmp_path / "index", Teacher("hash-teacher", "r1"), 16, passage_limit=encoder.config.max_tokens)
    with OpenIndex(tmp_path / "index", encoder) as index:
        passages = divider_for(encoder).divide(Document("long", "", LONG))
        assert len(passages) > 3
        assert index.upsert([{"id": "long", "text": LONG}]).encoded == len(passages)
        changed = LONG.replace("Sentence 59", "Sentence ab")
        report = index.upsert([Document("long", "", changed)])
        assert (report.count, report.encoded) == (1, 1)
        # A heading that comes to be changes what is in front of the passages below it.
        below = Document("long", "", changed, headings=(Heading(changed.index("Sentence 40"), 1, "Forty", "forty"),))
        assert 0 < index.upsert([below]).encoded < len(passages)
        assert index.upsert([below]).unchanged == 1
        index.compact()
        assert index.upsert([below]).unchanged == 1
        hit = index.search(encoder.encode([below.encoded(divider_for(encoder).divide(below)[-1])]), 1)[0][0]
        assert "Sentence ab" in hit.text
        assert hit.url == "#forty"


def test_the_last_document_of_an_id_counts(index: OpenIndex) -> None:
    report = index.upsert([{"id": 1, "text": "one"}, {"id": "1", "text": "two"}])
    assert (report.count, report.added) == (2, 1)
    assert index.get(["1"])["1"].text == "two"


def test_vectors_that_are_given_are_taken(index: OpenIndex, encoder: HashingEncoder) -> None:
    vector = np.eye(16, dtype=np.float32)[:1]
    given = {"id": "v", "text": "with a vector", "vectors": vector}
    assert index.upsert([given, {**given, "id": "w", "vectors": vector.tolist()}]).count == 2
    assert encoder.encoded == []
    assert {hit.id for hit in index.search(vector, 2)[0]} == {"v", "w"}
    assert index.upsert([given]).unchanged == 1
    assert index.upsert([{**given, "vectors": np.roll(vector, 1, axis=1)}]).count == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"text": "no id"}, "missing_id"),
        ({"id": "x"}, "no_text"),
        ({"id": "x", "text": "a", "colour": "red"}, "unknown_field"),
        ({"id": "x", "text": 7}, "bad_text"),
        ({"id": "x", "text": "\ud800"}, "bad_text"),
        ({"id": "x", "text": "a", "fields": {"year": "text"}}, "field_kind"),
        ({"id": "x", "text": "a", "vectors": [[1.0]]}, "vector_dimension"),
        ({"id": "x", "text": "a", "vectors": np.eye(16)[:2]}, "vector_count"),
        (Document("x", "", "\ud800"), "bad_text"),
        (Document("", "", "a"), "missing_id"),
        (Document("x", "", "a", fields={"year": "text"}), "field_kind"),
    ],
)
def test_what_is_wrong_with_one_document_keeps_no_other_out(index: OpenIndex, given: object, code: str) -> None:
    good = {"id": "good", "text": "good", "fields": {"year": 2000}}
    report = index.upsert([good, given, {"id": "last", "text": "last"}])  # type: ignore[list-item]
    assert (report.count, report.failed) == (2, 1)
    assert [(one.id, one.code) for one in report.errors] == [("" if code == "missing_id" else "x", code)]
    assert set(index.get(["good", "last", "x"])) == {"good", "last"}


def test_documents_are_deleted_by_id_and_by_filter(index: OpenIndex) -> None:
    index.upsert({"id": f"e{year}", "text": "an egg", "fields": {"year": year}} for year in range(4))
    removed = index.delete(["d0", "d1", "d1", "nothing"])
    assert (removed.count, removed.version) == (2, index.version)
    assert index.delete([]).version == index.version
    assert index.delete_matching({"year": {"gte": 2}}).count == 2
    assert len(index) == 10
    assert sorted(index.ids()) == sorted([*(f"d{number}" for number in range(2, 10)), "e0", "e1"])
    assert [document.id for document in index.every()] == list(index.ids())


@pytest.mark.parametrize(
    ("tree", "share", "error", "named"),
    [
        ({}, 1.0, FilterError, "empty"),
        ({"year": {"gte": 0}}, 0.2, ReplacementRefused, "3 of 13 documents"),
        ({"yaer": 1}, 0.5, UnknownField, "yaer"),
        ({"year": None}, 0.5, FilterError, "year"),
        ({"year": 1}, 2.0, ValueError, "max_shrink"),
    ],
)
def test_a_filter_that_would_delete_too_much_deletes_nothing(
    index: OpenIndex, tree: dict[str, object], share: float, error: type[Exception], named: str
) -> None:
    index.upsert({"id": f"e{year}", "text": "an egg", "fields": {"year": year}} for year in range(3))
    with pytest.raises(error, match=named):
        index.delete_matching(tree, share)
    assert len(index) == 13


def test_a_text_is_not_taken_for_a_list_of_ids(index: OpenIndex) -> None:
    with pytest.raises(TypeError, match="list of ids"):
        index.delete("d1")


def test_a_search_may_be_filtered_and_zeros_find_nothing(index: OpenIndex) -> None:
    index.upsert([{"id": "e", "text": "an egg", "fields": {"year": 1}}])
    query = HashingEncoder().encode(["title 1 text of 1"])
    first, nothing = index.search(np.concatenate([query, np.zeros_like(query)]), 3)
    assert first[0].id == "d1"
    assert (len(first), nothing) == (3, [])
    assert [hit.id for hit in index.search(query, 3, {"year": 1})[0]] == ["e"]
    for wrong in (query[0], query[:, 1:], query * np.nan):
        with pytest.raises(ValueError, match="shape"):
            index.search(wrong)


def test_words_are_counted_over_what_is_there(index: OpenIndex) -> None:
    index.delete(["d0"])
    index.upsert([{"id": "x", "text": "text and egg"}])
    words = index.words()
    assert (words["text"], words["egg"]) == (10, 1)


def test_two_openings_see_what_the_other_writes(index: OpenIndex) -> None:
    with OpenIndex(index.path, HashingEncoder()) as other:
        other.upsert([{"id": "x", "text": "x"}])
        assert index.get(["x"])
        index.compact()
        other.delete(["x"])
        assert not index.get(["x"])
        assert index.version == other.version


def test_a_journal_that_is_full_is_merged_and_writing_goes_on(
    index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typeahead.index.upserting.BATCH", 20)
    monkeypatch.setattr(index._living._base.journal, "_most", 30)
    assert index.upsert(documents(60)).count == 50
    assert len(index) == 60
    assert Manifest.read(index.path).generation != "generation-1"
    assert journal.MOST_PASSAGES > 60


def test_the_encoder_of_the_index_is_loaded_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: HashingEncoder
) -> None:
    build_index(documents(3), tmp_path / "index", encoder, encoder_address="somewhere")
    loaded: list[object] = []

    def load(address: object, **_: object) -> HashingEncoder:
        loaded.append(address)
        return encoder

    monkeypatch.setattr("typeahead.index.opened.load", load)
    with OpenIndex(tmp_path / "index") as index:
        index.upsert(documents(3))
        assert loaded == []
        index.upsert(documents(5))
        index.upsert(documents(6))
        assert loaded == ["somewhere"]


@pytest.mark.parametrize(
    ("make", "given", "error", "named"),
    [
        (lambda: config(), False, TypeaheadError, "no longer the encoder"),
        (lambda: config(teacher="other"), True, TeacherMismatch, "other"),
        (lambda: config(dim=8), True, TeacherMismatch, "8 dimensions"),
    ],
)
def test_an_encoder_of_another_space_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], object],
    given: bool,
    error: type[Exception],
    named: str,
) -> None:
    build_index(documents(3), tmp_path / "index", HashingEncoder(config(revision="r1")))
    other = HashingEncoder(make())  # type: ignore[arg-type]
    monkeypatch.setattr("typeahead.index.opened.load", lambda *_, **__: other)
    if not given:
        monkeypatch.setattr("typeahead.index.opened.encoder_sha256", lambda _: "0" * 64)
    with OpenIndex(tmp_path / "index", other if given else None) as index:
        with pytest.raises(error, match=named):
            index.upsert(documents(4))
        assert len(index) == 3


def test_an_index_that_names_no_encoder_asks_for_one(tmp_path: Path) -> None:
    create(tmp_path / "index", Teacher("hash-teacher", "r1"), 16)
    with OpenIndex(tmp_path / "index") as index:
        with pytest.raises(TypeaheadError, match="minilm-doc"):
            index.upsert(documents(1))
        assert index.upsert([{"id": "v", "text": "v", "vectors": np.eye(16)[:1]}]).count == 1


def test_a_shortened_index_encodes_what_changed_again(tmp_path: Path, encoder: HashingEncoder) -> None:
    build_index(documents(40), tmp_path / "index", encoder, dimensions=8)
    with OpenIndex(tmp_path / "index", encoder) as index:
        report = index.upsert([Document("d1", "title 1", "text of 1", "https://example.org/new")])
        assert (report.count, report.encoded) == (1, 1)
        assert index.search(encoder.encode(["title 1 text of 1"]), 1)[0][0].url == "https://example.org/new"
