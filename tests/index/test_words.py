"""The lexical arm: FTS5's own scores are the oracle, the last word may be unfinished, common words are left alone."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.texts import texts
from typeahead.errors import IndexCorrupt, TextError
from typeahead.index import words as module
from typeahead.index.documents import DocumentWriter
from typeahead.index.words import Words, count_words
from typeahead.text.document import Document

DOCUMENTS = [
    Document("boil", "Boiling", "How to boil an egg: boil water, then add the egg."),
    Document("boiler", "", "A boiler heats water for a house."),
    Document("café", "Café", "The café serves Crème brûlée and eggs."),
    Document("rain", "", "Rain falls mainly on the plain."),
    Document("seoul", "", "서울의 날씨 is mild; 東京 is warm."),
    Document("code", "NullPointerException", "thrown by java.util.Map"),
]


def write(folder: Path, documents: list[Document]) -> Path:
    path = folder / "generation-1" / "documents.sqlite"
    path.parent.mkdir()
    writer = DocumentWriter(path)
    writer.append(0, documents)
    writer.finish()
    writer.close()
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("words"), DOCUMENTS)


@pytest.fixture(scope="module")
def words(path: Path) -> Iterator[Words]:
    opened = Words(path, len(DOCUMENTS))
    yield opened
    opened.close()


def found(words: Words, text: str) -> list[str]:
    return [DOCUMENTS[row].id for row, _ in words.search(text, 10)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("boil", ["boil", "boiler"]),
        ("boile", ["boiler"]),
        ("boil ", ["boil"]),
        ("boil?", ["boil"]),
        ("cre", ["café"]),
        ("CAFE", ["café"]),
        ("nullp", ["code"]),
        ("java.ut", ["code"]),
        ("東", ["seoul"]),
        ("b", []),
        ("b ", []),
        ("", []),
        (" ?!", []),
        ('"boil" OR NOT NEAR(', ["boil"]),
    ],
)
def test_any_word_may_match_and_the_last_by_its_beginning(words: Words, text: str, ids: list[str]) -> None:
    assert found(words, text) == ids


def fts5_words(text: str) -> list[str]:
    """The words of a whole text, by FTS5 itself."""
    connection = sqlite3.connect(":memory:")
    connection.executescript("""
        CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='unicode61 remove_diacritics 2');
        CREATE VIRTUAL TABLE vocabulary USING fts5vocab('texts', 'instance');
    """)
    connection.execute("INSERT INTO texts VALUES(?)", (text,))
    found = [word for (word,) in connection.execute("SELECT term FROM vocabulary ORDER BY offset")]
    connection.close()
    return found


def expected_terms(text: str) -> list[str]:
    whole, longer = fts5_words(text), fts5_words(f"{text}x")
    terms = [f'"{word}"' for word in whole]
    if whole and len(whole) == len(longer):
        if len(whole[-1]) == 1 and whole[-1].isascii():
            terms.pop()  # a single letter
        else:
            terms[-1] += " *"
    return terms


@settings(max_examples=60)
@given(texts)
def test_words_are_those_of_the_whole_text_and_scores_fts5s_own(words: Words, text: str) -> None:
    terms = words.terms(text)
    assert terms == expected_terms(text)
    if terms:
        connection = sqlite3.connect(words.path)
        whole = connection.execute(
            "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid", (" OR ".join(terms),)
        ).fetchall()
        connection.close()
        ours = words.search(text, 100)
        assert sorted(row for row, _ in ours) == sorted(row for row, _ in whole)
        assert dict(ours) == pytest.approx(dict(whole), rel=1e-4)


def bm25(words: list[str], *, open_end: bool) -> dict[int, float]:
    """FTS5's formula over ``DOCUMENTS``, of ASCII words; https://sqlite.org/fts5.html#the_bm25_function."""
    documents = [fts5_words(document.passage) for document in DOCUMENTS]
    mean = sum(map(len, documents)) / len(documents)
    scores: dict[int, float] = {}
    for place, word in enumerate(words):
        prefix = open_end and place == len(words) - 1
        counts = [sum(token.startswith(word) if prefix else token == word for token in tokens) for tokens in documents]
        matching = sum(count > 0 for count in counts)
        idf = math.log((len(documents) - matching + 0.5) / (matching + 0.5))
        idf = idf if idf > 0 else 1e-6
        for row, count in enumerate(counts):
            if count:
                norm = 1.2 * (1 - 0.75 + 0.75 * len(documents[row]) / mean)
                scores[row] = scores.get(row, 0) + idf * count * 2.2 / (count + norm)
    return scores


@pytest.mark.parametrize("text", ["How to boil water", "rain falls on the pl", "egg egg boi", "is"])
def test_scores_are_those_of_the_formula_after_each_key(words: Words, text: str) -> None:
    for end in range(1, len(text) + 1):
        typed = text[:end].lower().split()
        open_end = not text[:end].endswith(" ")
        if open_end and len(typed[-1]) == 1:
            typed, open_end = typed[:-1], False
        expected = bm25(typed, open_end=open_end)
        hits = words.search(text[:end], 10)
        assert dict(hits) == pytest.approx(expected, rel=1e-4)
        assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


@pytest.mark.parametrize(
    "text",
    ['"', '""', '"boil', "boil*", "text:boil", "boil AND", "NOT boil", "NEAR(boil egg)", "(", "^boil", "a+b", "x'; --"],
)
def test_operators_of_fts5_are_words(words: Words, text: str) -> None:
    for end in range(1, len(text) + 1):
        words.search(text[:end], 10)
    if "boil" in text:
        assert "boil" in found(words, text)


def test_the_best_come_first_and_ties_by_row(tmp_path: Path) -> None:
    path = write(tmp_path, [Document(str(row), "", "egg boil" if row % 3 == 0 else "egg") for row in range(20)])
    words = Words(path, 20)
    assert [row for row, _ in words.search("boil egg", 5)] == [0, 3, 6, 9, 12]
    assert [row for row, _ in words.search("egg ", 4)] == [1, 2, 4, 5]  # the shorter ones
    words.close()


def test_a_word_that_too_many_documents_hold_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMON", 5)
    path = write(tmp_path, [Document(str(row), "", f"the {'egg' if row < 5 else 'tea'}") for row in range(11)])
    words = Words(path, 11)
    assert [row for row, _ in words.search("the egg ", 10)] == [0, 1, 2, 3, 4]
    assert words.search("the tea ", 10) == []
    words.close()


def test_the_beginning_of_a_word_that_is_too_common_is_not_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMON", 5)
    path = write(tmp_path, [Document(str(row), "", f"theatre then {row}" if row < 4 else "then") for row in range(11)])
    words = Words(path, 11)
    asked: list[str] = []
    words._connection.set_trace_callback(asked.append)
    for text in ("then ", "then", "the", "th"):
        assert words.search(text, 10) == []
    assert not asked
    assert [row for row, _ in words.search("thea", 10)] == [0, 1, 2, 3]
    words.close()


def test_what_is_remembered_is_bounded_and_forgetting_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    monkeypatch.setattr(module, "_PIECES", 2)
    small, large = Words(path, len(DOCUMENTS)), Words(path, len(DOCUMENTS))
    for text in ("boil", "rain falls", "cafe water", "is", "boil", "the plain"):
        assert small.search(text, 10) == large.search(text, 10)
        assert len(small._pieces) <= 2
        assert sum(len(rows) + 1 for rows, _ in small._found.values()) <= 3 or len(small._found) == 1
    small.close()
    large.close()


def test_what_one_scope_looked_up_is_looked_up_again_for_another(path: Path) -> None:
    words = Words(path, len(DOCUMENTS))
    words.search("rain", 10)  # SQLite reads the schema once
    asked: list[str] = []
    words._connection.set_trace_callback(asked.append)

    def look_ups(scope: int) -> int:
        asked.clear()
        words.search("boil water", 10, scope)
        return len(asked)

    first = look_ups(1)
    assert first > 0
    assert look_ups(1) == 0
    assert look_ups(2) == first
    words.close()


def test_a_lone_surrogate_is_refused(words: Words) -> None:
    with pytest.raises(TextError, match="lone surrogate"):
        words.search("egg \ud800", 10)


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, DOCUMENTS)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE words")
    connection.commit()
    connection.close()
    with pytest.raises(IndexCorrupt, match=r"no table 'words'.*rebuild the index"):
        Words(path, len(DOCUMENTS))
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        Words(tmp_path / "none.sqlite", 1)


def test_it_is_counted_how_many_documents_hold_a_word(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = count_words(path)
    assert counts["boil"] == 1
    assert counts["water"] == 2
    assert counts["creme"] == 1
    assert "crème" not in counts
    assert set(counts) == {word for document in DOCUMENTS for word in fts5_words(document.passage)}
    monkeypatch.setattr(module, "MOST_WORDS", 3)
    assert sorted(count_words(path).values(), reverse=True) == sorted(counts.values(), reverse=True)[:3]


def test_words_of_a_broken_file_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "generation-1" / "documents.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(IndexCorrupt, match="rebuild the index"):
        count_words(path)
