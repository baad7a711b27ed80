"""Words are those of SQLite's unicode61, and terms are counted by one rule."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from typeahead.search.terms import count_terms, query_terms, weigh, words
from typeahead.text.document import Document


def sqlite_words(text: str) -> list[str]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE VIRTUAL TABLE texts USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2');"
        "CREATE VIRTUAL TABLE texts_words USING fts5vocab('texts', 'instance');"
    )
    connection.execute("INSERT INTO texts(rowid, text) VALUES(1, ?)", (text,))
    found = [word for (word,) in connection.execute("SELECT term FROM texts_words ORDER BY offset")]
    connection.close()
    return found


#: Letters of several scripts, with and without diacritics, digits and what parts words.
ALPHABET = "abcXYZ019 _-.,'äÖéñçŁßøåšЖйяΩάα東京日本한국คท\n"


@given(st.text(ALPHABET, max_size=30))
def test_words_are_those_of_sqlite(text: str) -> None:
    assert words(text) == sqlite_words(text)


def test_the_last_word_is_a_beginning_until_something_follows() -> None:
    assert query_terms("Boil an EGG") == ["boil", "an", "egg*"]
    assert query_terms("boil an egg ") == ["boil", "an", "egg"]
    assert query_terms("egg egg. egg") == ["egg", "egg*"]
    assert query_terms("… !") == []
    assert query_terms("") == []


def test_terms_are_counted_by_field() -> None:
    passage = weigh(Document("d", "Eggs, eggs", "Boiled egg"), ["egg", "egg*", "none"], 0.5)
    assert passage.similarity == 0.5
    assert passage.frequencies == {"title": {"egg*": 2}, "text": {"egg": 1, "egg*": 1}}
    assert passage.lengths == {"title": 2, "text": 2}
    assert count_terms([], ["egg"]) == {}
