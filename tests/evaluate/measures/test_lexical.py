"""BM25 with a prefix match: rankings by hand, FTS5's score by its formula, and texts that look like its syntax."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.texts import texts
from typeahead.errors import SourceError, TextError
from typeahead.evaluate.measures import lexical
from typeahead.evaluate.measures.lexical import LexicalIndex


@dataclass
class Passage:
    id: str
    text: str


TEXTS = {
    "boil": "How to boil an egg: boil water, then add the egg.",
    "boiler": "A boiler heats water for a house.",
    "café": "The café serves Crème brûlée and eggs.",
    "rain": "Rain falls mainly on the plain.",
    "spain": "In Spain the rain is rare.",
    "seoul": "서울의 날씨 is mild; 東京 is warm.",
}


@pytest.fixture(scope="module")
def index() -> Iterator[LexicalIndex]:
    with LexicalIndex(Passage(*item) for item in TEXTS.items()) as built:
        yield built


def found(index: LexicalIndex, text: str) -> list[str]:
    return [list(TEXTS)[row] for row, _ in index.search(text, 10)]


def test_an_unfinished_word_matches_what_begins_with_it(index: LexicalIndex) -> None:
    assert found(index, "boil") == ["boil", "boiler"]
    assert found(index, "boile") == ["boiler"]
    assert found(index, "cre") == ["café"]


def test_a_blank_or_a_mark_finishes_the_word(index: LexicalIndex) -> None:
    assert found(index, "boil ") == ["boil"]
    assert found(index, "boil?") == ["boil"]
    assert found(index, "egg,") == ["boil"]


def test_words_before_the_last_match_whole_and_any_will_do(index: LexicalIndex) -> None:
    assert set(found(index, "boil r")) == {"boil", "rain", "spain"}
    # The shorter passage of both words first.
    assert found(index, "rain spain ") == ["spain", "rain"]


def test_the_query_is_what_the_docstring_says(index: LexicalIndex) -> None:
    terms = index.terms(["How to boi", "How to boi ", "", " ?", "egg egg"])
    assert [" OR ".join(words) for words in terms] == [
        '"how" OR "to" OR "boi" *',
        '"how" OR "to" OR "boi"',
        "",
        "",
        '"egg" OR "egg" *',
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Crème BRÛLÉE", ["creme", "brulee"]),
        ("cre\u0300me", ["creme"]),
        ("state-of-the-art", ["state", "of", "the", "art"]),
        ("서울의 東京", ["서울의", "東京"]),
        ("👩\u200d👧 \x00 \t", []),
        ('say "OR" NEAR(a b) AND NOT -c ^d* {e}:f', "say or near a b and not c d e f".split()),
    ],
)
def test_words_are_those_of_fts5(index: LexicalIndex, text: str, words: list[str]) -> None:
    assert index.words([text]) == [words]


def test_a_combining_mark_leaves_the_word_open(index: LexicalIndex) -> None:
    assert found(index, "cre\u0300") == ["café"]


@pytest.mark.parametrize(
    "text",
    ['"', '""', '"boil', "boil*", "text:boil", "boil AND", "NOT boil", "NEAR(boil egg)", "(", "^boil", "a+b", "x'; --"],
)
def test_fts5_operators_are_words(index: LexicalIndex, text: str) -> None:
    for end in range(1, len(text) + 1):
        index.search(text[:end], 10)
    if "boil" in text:
        assert "boil" in found(index, text)


@given(texts)
@example("[\x00\ufdd0\U000f0000 x")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_text_can_be_typed(index: LexicalIndex, text: str) -> None:
    rows = [row for row, _ in index.search(text, 10)]
    assert len(rows) == len(set(rows))
    assert set(rows) <= set(range(len(TEXTS)))


def test_words_of_one_text_do_not_depend_on_the_others(index: LexicalIndex) -> None:
    several = ["", "boil eggs", "서울", " ", "boil"]
    assert index.words(several) == [index.words([text])[0] for text in several]


def bm25(words: list[str], *, open_end: bool) -> dict[str, float]:
    """FTS5's formula over ``TEXTS``, of ASCII words; https://sqlite.org/fts5.html#the_bm25_function."""
    passages = {key: re.findall(r"\w+", text.lower()) for key, text in TEXTS.items()}
    mean = sum(map(len, passages.values())) / len(passages)
    scores: dict[str, float] = {}
    for place, word in enumerate(words):
        prefix = open_end and place == len(words) - 1
        counts = {
            key: sum(token.startswith(word) if prefix else token == word for token in tokens)
            for key, tokens in passages.items()
        }
        matching = sum(count > 0 for count in counts.values())
        idf = math.log((len(passages) - matching + 0.5) / (matching + 0.5))
        idf = idf if idf > 0 else 1e-6
        for key, count in counts.items():
            if count:
                norm = 1.2 * (1 - 0.75 + 0.75 * len(passages[key]) / mean)
                scores[key] = scores.get(key, 0) + idf * count * 2.2 / (count + norm)
    return scores


@pytest.mark.parametrize("text", ["How to boil water", "the rain in spain ", "egg egg b", "is"])
def test_scores_are_those_of_the_formula_after_each_key(index: LexicalIndex, text: str) -> None:
    for end in range(1, len(text) + 1):
        prefix = text[:end]
        expected = bm25(prefix.lower().split(), open_end=not prefix.endswith(" "))
        ranked = sorted(expected, key=lambda key: (round(expected[key], 9), key), reverse=True)
        hits = index.search(prefix, 10)
        assert [list(TEXTS)[row] for row, _ in hits] == ranked
        assert [score for _, score in hits] == pytest.approx([expected[key] for key in ranked])


@given(texts)
@example("egg egg boil e")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_sums_over_words_are_fts5_s_own_scores(index: LexicalIndex, text: str) -> None:
    (terms,) = index.terms([text])
    if terms:
        rows, scores = index.match(" OR ".join(terms))
        expected = dict(zip(rows.tolist(), scores.tolist(), strict=True))
        assert dict(index.best(terms, len(TEXTS))) == pytest.approx(expected)


def test_what_is_remembered_is_bounded(index: LexicalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "how to boil an egg and rain in spain"
    expected = [index.search(text[:end], 10) for end in range(len(text))]
    monkeypatch.setattr(lexical, "_REMEMBERED", 3)
    with LexicalIndex(Passage(*item) for item in TEXTS.items()) as small:
        assert [small.search(text[:end], 10) for end in range(len(text))] == expected
        assert len(small._memo) <= 3


def test_ties_are_broken_by_passage_id_however_many_there_are() -> None:
    with LexicalIndex(Passage(f"p{row:03d}", "the same words") for row in range(500)) as index:
        assert [row for row, _ in index.search("sam", 10)] == list(range(499, 489, -1))


def test_an_index_in_a_file_finds_the_same(index: LexicalIndex, tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    with LexicalIndex((Passage(*item) for item in TEXTS.items()), path=path) as built:
        assert len(built) == len(TEXTS)
        assert built.search("rain b", 10) == index.search("rain b", 10)
    with pytest.raises(SourceError, match=r"words\.sqlite: exists"):
        LexicalIndex([], path=path)


def test_an_index_of_nothing_finds_nothing() -> None:
    with LexicalIndex([]) as index:
        assert index.search("anything", 10) == []


def test_lone_surrogates_are_refused(index: LexicalIndex) -> None:
    with pytest.raises(SourceError, match=r"passage 'p1': .*lone surrogate"):
        LexicalIndex([Passage("p1", "broken \udc80")])
    with pytest.raises(TextError, match="lone surrogate"):
        index.search("\ud800", 10)


def test_a_failing_source_leaves_no_open_database(tmp_path: Path) -> None:
    def passages() -> Iterator[Passage]:
        yield Passage("p1", "fine")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        LexicalIndex(passages(), path=tmp_path / "words.sqlite")


def test_sqlite_s_own_failure_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"SQLite {re.escape(sqlite3.sqlite_version)} could not index"):
        LexicalIndex([], path=tmp_path / "missing" / "words.sqlite")
