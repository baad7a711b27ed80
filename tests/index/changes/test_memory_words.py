"""Words in memory say what words in files say, and what is gone no longer counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.index.lexical.corpora import holds, opened
from tests.index.lexical.test_lexical import FORMS, WORDS, terms
from tests.texts import texts
from typeahead.index.changes import forms as putting
from typeahead.index.changes.analysed import DocumentWords
from typeahead.index.changes.memory_words import MOST_ANALYSED, MemoryWords
from typeahead.index.lexical.lexical import Lexical
from typeahead.search.terms import Term, admits, weigh
from typeahead.search.terms import Words as Asked
from typeahead.text.document import Document, Passage

#: The texts of two passages, which together are the text of a document.
halves = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
divided = st.lists(
    st.tuples(halves, st.lists(halves.map(lambda text: text + "\n"), min_size=1, max_size=3)), min_size=1, max_size=10
).map(
    lambda found: [
        (Document(str(row), title, "".join(parts)), tuple(map(Passage, parts)))
        for row, (title, parts) in enumerate(found)
    ]
)
rows_of = st.lists(st.integers(0, 9), unique=True)
#: Of parts, as readers make them. Files find the whole of a word, too, if it is asked for alone.
PARTS = [form for form in FORMS if form not in ("useeffect", "ab12")]
phrases = st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=3), max_size=2)


def in_memory(entries: Sequence[tuple[Document, tuple[Passage, ...]]]) -> MemoryWords:
    def read(rows: Sequence[int]) -> list[Document]:
        return [entries[row][0] for row in rows]

    # As a reader has them: from the journal.
    words = [
        DocumentWords.decoded(*DocumentWords.of(document, passages).encoded(), len(passages))
        for document, passages in entries
    ]
    return MemoryWords(putting.of_documents(words), read)


def plain(documents: Sequence[Document]) -> MemoryWords:
    return in_memory([(document, (Passage(document.text),)) for document in documents])


def same_words(
    one: MemoryWords, other: MemoryWords | Lexical, documents: Sequence[Document], asked: Sequence[Term]
) -> None:
    every = np.arange(len(documents))
    for ours, theirs in zip(one.evidence(every, asked), other.evidence(every, asked), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert one.vocabulary == other.vocabulary


@given(divided, st.lists(terms, max_size=3), phrases, st.lists(st.sampled_from(FORMS), max_size=2))
@settings(deadline=None, max_examples=60)
def test_words_in_memory_are_those_in_files(
    entries: list[tuple[Document, tuple[Passage, ...]]],
    asked: list[Term],
    wanted: list[list[str]],
    unwanted: list[str],
) -> None:
    documents = [document for document, _ in entries]
    words = in_memory(entries)
    without = [Term({form: 1.0}) for form in unwanted]
    with TemporaryDirectory() as folder:
        written = opened(Path(folder), documents)
        same_words(words, written, documents, asked)
        short = [term for term in asked if len(term.beginning) <= 3]
        np.testing.assert_array_equal(words.document_frequencies(short), written.document_frequencies(short))
        # Files sum over all forms with a longer beginning; here it is exact.
        assert (words.document_frequencies(asked) <= written.document_frequencies(asked)).all()
        rows, scores = words.candidates(asked, 20, wanted, without)
        theirs, _ = written.candidates(asked, 20, wanted, without)
    assert rows.dtype == np.int32
    assert scores.dtype == np.float32
    assert len(set(rows.tolist())) == len(rows)
    assert (np.diff(scores) <= 0).all()
    assert set(rows.tolist()) == set(theirs.tolist())
    if wanted:
        assert set(rows.tolist()) == {
            row for row, one in enumerate(documents) if admits(one, Asked((), wanted, unwanted))
        }


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_any_text_has_the_words_that_files_have(pairs: list[tuple[str, str]]) -> None:
    documents = [Document(str(row), title, text) for row, (title, text) in enumerate(pairs)]
    words = plain(documents)
    asked = [Term({form: 1.0}) for form in list(words.vocabulary)[:20]]
    counted = weigh(documents, asked)
    evidence = words.evidence(np.arange(len(documents)), asked)
    np.testing.assert_array_equal(evidence.frequencies, np.minimum(counted.frequencies, 255))
    np.testing.assert_array_equal(evidence.lengths, counted.lengths)
    np.testing.assert_array_equal(words.total_lengths, counted.lengths.sum(axis=0))


@given(divided, st.lists(terms, max_size=3))
@settings(deadline=None, max_examples=60)
def test_passages_of_divided_documents_are_counted_with_their_titles(
    entries: list[tuple[Document, tuple[Passage, ...]]], asked: list[Term]
) -> None:
    words = in_memory(entries)
    parts = [
        Document("", document.title, one.text) if len(passages) > 1 else Document("")
        for document, passages in entries
        for one in passages
    ]
    if len(parts) > len(entries):
        counted = weigh(parts, asked)
        evidence = words.passage_evidence(np.arange(len(parts)), asked)
        np.testing.assert_array_equal(evidence.frequencies, counted.frequencies)
        np.testing.assert_array_equal(evidence.weights, counted.weights)
        np.testing.assert_array_equal(evidence.lengths, counted.lengths)
    with pytest.raises(IndexError):
        words.passage_evidence(np.array([len(parts)]), asked)


@given(divided, divided, rows_of, rows_of, st.lists(terms, max_size=3), phrases)
@settings(deadline=None, max_examples=60)
def test_what_is_put_together_is_as_if_it_was_analysed_at_once(
    first: list[tuple[Document, tuple[Passage, ...]]],
    second: list[tuple[Document, tuple[Passage, ...]]],
    some: list[int],
    others: list[int],
    asked: list[Term],
    wanted: list[list[str]],
) -> None:
    kept, taken = [], []
    for entries, rows in ((first, some), (second, others)):
        chosen = np.array([row for row in rows if row < len(entries)], np.int64)
        sizes = np.array([len(passages) for _, passages in entries])
        starts = np.cumsum(sizes) - sizes
        passages = [place for row in chosen for place in range(starts[row], starts[row] + sizes[row])]
        taken.append(in_memory(entries).taken(chosen, np.array(passages, np.int64)))
        kept += [entries[row] for row in chosen]
    documents = [document for document, _ in kept]
    merged = MemoryWords(putting.merged(taken), lambda rows: [documents[row] for row in rows])
    at_once = in_memory(kept)
    same_words(merged, at_once, documents, asked)
    every = np.arange(sum(len(passages) for _, passages in kept))
    if len(every) > len(kept):
        for ours, theirs in zip(
            merged.passage_evidence(every, asked), at_once.passage_evidence(every, asked), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    found, expected = merged.candidates(asked, 5, wanted), at_once.candidates(asked, 5, wanted)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@given(divided, phrases)
@settings(deadline=None, max_examples=60)
def test_phrases_are_found_where_the_order_of_words_is_not_kept(
    entries: list[tuple[Document, tuple[Passage, ...]]], wanted: list[list[str]]
) -> None:
    known = in_memory(entries)
    unknown = MemoryWords(known.forms._replace(sequences=None), lambda rows: [entries[row][0] for row in rows])
    np.testing.assert_array_equal(unknown.candidates([], 20, wanted)[0], known.candidates([], 20, wanted)[0])


def test_a_common_phrase_reads_no_more_documents_than_it_may() -> None:
    documents = [Document(str(row), "", "how to") for row in range(MOST_ANALYSED + 10)]
    read: list[int] = []

    def reading(rows: Sequence[int]) -> list[Document]:
        read.extend(rows)
        return [documents[row] for row in rows]

    words = MemoryWords(plain(documents).forms._replace(sequences=None), reading)
    rows, _ = words.candidates([], len(documents), [["how", "to"]])
    assert len(read) == len(rows) == MOST_ANALYSED


@given(divided, st.lists(rows_of, min_size=1, max_size=3), st.lists(terms, max_size=3))
@settings(deadline=None, max_examples=60)
def test_documents_that_are_gone_count_no_more(
    entries: list[tuple[Document, tuple[Passage, ...]]], going: list[list[int]], asked: list[Term]
) -> None:
    words = in_memory(entries)
    gone: set[int] = set()
    for more in going:
        gone |= {row for row in more if row < len(entries)}
        left = [row for row in range(len(entries)) if row not in gone]
        remaining = words.without(np.array(sorted(gone), np.int64))
        alone = in_memory([entries[row] for row in left])
        np.testing.assert_array_equal(remaining.total_lengths, alone.total_lengths)
        np.testing.assert_array_equal(remaining.document_frequencies(asked), alone.document_frequencies(asked))
        assert remaining.vocabulary == alone.vocabulary
        ours, theirs = remaining.evidence(left, asked), alone.evidence(np.arange(len(left)), asked)
        np.testing.assert_array_equal(ours.frequencies, theirs.frequencies)
        alive = np.isin(np.arange(len(entries)), left)
        found, _ = remaining.candidates(asked, 20, admitted=alive)
        expected, _ = alone.candidates(asked, 20)
        assert sorted(found.tolist()) == sorted(left[row] for row in expected.tolist())


@given(divided, st.lists(terms, max_size=3), rows_of, phrases)
@settings(deadline=None, max_examples=60)
def test_only_documents_that_are_admitted_are_found(
    entries: list[tuple[Document, tuple[Passage, ...]]], asked: list[Term], rows: list[int], wanted: list[list[str]]
) -> None:
    words = in_memory(entries)
    admitted = np.isin(np.arange(len(entries)), rows)
    found, _ = words.candidates(asked, 20, wanted, admitted=admitted)
    every, _ = words.candidates(asked, 20, wanted)
    assert set(found.tolist()) == set(every.tolist()) & set(rows)


def test_the_best_come_first_and_titles_are_never_crowded_out() -> None:
    documents = [Document(str(row), "", "egg " * 20) for row in range(200)]
    documents.append(Document("title", "egg", "boiled for some minutes in a pan of water with salt " * 20))
    words = plain(documents)
    rows, scores = words.candidates([Term({"egg": 1.0})], 10)
    assert rows[:10].tolist() == list(range(10))
    assert 200 in rows.tolist()
    assert (np.diff(scores) <= 0).all()


def test_no_documents_have_no_words() -> None:
    words = plain([])
    assert len(words.candidates([Term({"egg": 1.0}, "e")], 10)[0]) == 0
    assert words.document_frequencies([Term({"egg": 1.0}, "e")]).tolist() == [0]
    assert words.total_lengths.tolist() == [0, 0]


def test_holding_is_what_a_loop_over_all_documents_finds() -> None:
    documents = [Document(str(row), word, f"{word} {WORDS[row - 1]}") for row, word in enumerate(WORDS)]
    words = plain(documents)
    for term in (Term({}, "eg"), Term({}, "tea"), Term({"ab12": 1.0, "path": 0.5})):
        expected = {row for row, one in enumerate(documents) if holds(one, term)}
        assert set(words.candidates([term], 20)[0].tolist()) == expected
        if term.beginning:
            assert words.document_frequencies([term]).tolist() == [len(expected)]


@pytest.mark.parametrize(
    ("forms", "numbers"),
    [
        ("egg", b""),
        ("egg", b"\0" * 4),
        ("", b"\xff" * 64),
        ("egg\n\ntea", DocumentWords.of(Document("", "egg", "tea"), [Passage("tea")]).encoded()[1]),
        ("egg", DocumentWords.of(Document("", "egg", "tea"), [Passage("tea")]).encoded()[1]),
        ("egg\ntea", DocumentWords.of(Document("", "egg", "tea"), [Passage("tea")]).encoded()[1][:-1]),
        ("egg\ntea", DocumentWords.of(Document("", "egg", "tea"), [Passage("t"), Passage("ea")]).encoded()[1]),
    ],
)
def test_damaged_words_are_refused(forms: str, numbers: bytes) -> None:
    with pytest.raises(ValueError, match=r"form|words"):
        DocumentWords.decoded(forms, numbers, 1)


@given(divided, st.lists(terms, min_size=1, max_size=4), st.data())
@settings(deadline=None, max_examples=60)
def test_the_compiled_loop_weighs_documents_as_numpy_does(
    entries: list[tuple[Document, tuple[Passage, ...]]], asked: list[Term], data: st.DataObject
) -> None:
    words = in_memory(entries)
    looked_up = words.look_up(asked)
    some = data.draw(st.lists(st.integers(0, len(asked) - 1), unique=True))
    compiled = words._scores(looked_up, some)
    words._weigh = None
    np.testing.assert_allclose(compiled, words._scores(looked_up, some), rtol=1e-5)
