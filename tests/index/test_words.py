"""The lexical arm: FTS5's own scores are the oracle, the last word may be unfinished, common words are left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.texts import texts
from typeahead.errors import IndexCorrupt, TextError
from typeahead.evaluate.data.datasets import Passage
from typeahead.evaluate.measures.lexical import LexicalIndex
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


@settings(max_examples=60)
@given(texts)
def test_words_are_those_of_the_whole_text_and_scores_fts5s_own(words: Words, text: str) -> None:
    terms = words.terms(text)
    with LexicalIndex([]) as reference:
        expected = reference.terms([text])[0]
    if expected and expected[-1].endswith("*") and len(expected[-1]) == 5 and expected[-1].isascii():
        expected.pop()  # a single letter
    assert terms == expected
    if terms:
        connection = sqlite3.connect(words.path)
        whole = connection.execute(
            "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid", (" OR ".join(terms),)
        ).fetchall()
        connection.close()
        ours = words.search(text, 100)
        assert sorted(row for row, _ in ours) == sorted(row for row, _ in whole)
        assert dict(ours) == pytest.approx(dict(whole), rel=1e-4)


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
    with pytest.raises(IndexCorrupt, match=r"no table 'words'.*build the index again"):
        Words(path, len(DOCUMENTS))
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        Words(tmp_path / "none.sqlite", 1)


def test_it_is_counted_how_many_documents_hold_a_word(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = count_words(path)
    assert counts["boil"] == 1
    assert counts["water"] == 2
    assert counts["creme"] == 1
    assert "crème" not in counts
    passages = [Passage(document.id, f"{document.title} {document.text}") for document in DOCUMENTS]
    with LexicalIndex(passages) as index:
        assert index.word_counts() == counts
    monkeypatch.setattr(module, "MOST_WORDS", 3)
    assert sorted(count_words(path).values(), reverse=True) == sorted(counts.values(), reverse=True)[:3]


def test_words_of_a_broken_file_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "generation-1" / "documents.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(IndexCorrupt, match="build the index again"):
        count_words(path)
