"""One reading of a text, for every key and for Enter."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typeahead.search.reading import MOST_WORDS, Reader
from typeahead.search.terms import Term


class Counts:
    """A vocabulary of a few forms."""

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.slips: dict[str, list[str]] = {}

    def document_frequency(self, form: str) -> int:
        return self.counts.get(form, 0)

    def beginning(self, prefix: str, most: int) -> tuple[Sequence[tuple[str, int]], int]:
        found = sorted((pair for pair in self.counts.items() if pair[0].startswith(prefix)), key=lambda p: (-p[1], p))
        return found[:most], sum(count for _, count in found)

    def similar(self, form: str, most: int) -> Sequence[str]:
        return self.slips.get(form, [])[:most]

    def similar_beginning(self, prefix: str, most: int) -> Sequence[str]:
        return self.slips.get(f"{prefix}*", [])[:most]


VOCABULARY = Counts(
    go=4,
    going=2,
    government=30,
    temporal=5,
    temporary=3,
    json=9,
    dumps=2,
    jsondumps=1,
    os=7,
    path=6,
    ospathjoin=1,
    join=4,
)
VOCABULARY.slips = {"tempoarl": ["temporal"], "goverm*": ["government"]}


@pytest.fixture
def reader() -> Reader:
    return Reader(VOCABULARY)


def test_a_finished_word_of_the_index_is_looked_for_as_it_stands(reader: Reader) -> None:
    reading = reader.read("json ")
    assert reading.words.terms == [Term({"json": 1.0})]
    assert not reading.endings
    assert not reading.corrections


def test_a_half_typed_word_counts_with_all_that_begin_like_it_and_is_encoded_as_the_commonest(reader: Reader) -> None:
    reading = reader.read("a tempo")
    assert reading.words.terms[-1] == Term({}, "tempo")
    assert [text for text, _ in reading.endings] == ["a temporal", "a temporary"]
    assert reading.endings[0].weight > reading.endings[1].weight


def test_a_word_typed_whole_weighs_at_least_what_all_its_continuations_do_together(reader: Reader) -> None:
    reading = reader.read("go")
    (term,) = reading.words.terms
    assert term.words == {"go": 1.0}
    assert term.beginning == "go"
    assert term.beginning_weight < 1
    as_it_stands, *others = reading.endings
    assert as_it_stands.text == "go"
    assert as_it_stands.weight >= sum(ending.weight for ending in others)


def test_a_slip_counts_as_the_nearest_words_behind_exact_ones(reader: Reader) -> None:
    reading = reader.read("tempoarl json ")
    slip, exact = reading.words.terms
    assert list(slip.words) == ["temporal"]
    assert slip.words["temporal"] < exact.words["json"]
    assert reading.corrections == ["temporal"]
    assert [text for text, _ in reading.endings] == ["tempoarl json ", "temporal json "]


def test_a_slip_at_the_beginning_of_an_unfinished_word_is_read(reader: Reader) -> None:
    assert list(reader.read("goverm").words.terms[0].words) == ["government"]


def test_an_identifier_is_looked_for_whole_and_in_its_parts(reader: Reader) -> None:
    assert reader.read("json.dumps ").words.terms == [
        Term({"json": 1.0}),
        Term({"dumps": 1.0}),
        Term({"jsondumps": 1.0}),
    ]
    assert reader.read("os.path.jo").words.terms == [
        Term({"os": 1.0}),
        Term({"path": 1.0}),
        Term({}, "jo"),
        Term({}, "ospathjo"),
    ]
    assert [text for text, _ in reader.read("os.path.jo").endings] == ["os.path.join"]


def test_an_unfinished_beginning_of_a_finished_word_is_cut(reader: Reader) -> None:
    (term,) = reader.read("gov ").words.terms
    assert (term.words, term.beginning) == ({}, "gov")
    assert term.beginning_weight < 1


def test_quotes_make_a_phrase(reader: Reader) -> None:
    reading = reader.read('"json dumps" path ')
    assert reading.words.phrases == [["json", "dumps"]]
    assert [next(iter(term.words)) for term in reading.words.terms] == ["json", "dumps", "path"]
    assert '"' not in reading.endings[0].text


def test_a_phrase_that_is_still_open_holds_its_finished_words_only(reader: Reader) -> None:
    assert reader.read('"json dumps pa').words.phrases == [["json", "dumps"]]
    assert reader.read('"json du').words.phrases == []


@pytest.mark.parametrize(
    "text", ["kill -9 ", "rm -rf ", "tar -xvf2 ", "git commit --amend ", "state-of-the-art ", "- dash "]
)
def test_flags_and_dashes_exclude_nothing(reader: Reader, text: str) -> None:
    assert not reader.read(text).words.without


def test_a_dash_before_a_word_excludes_it_once_the_word_is_finished(reader: Reader) -> None:
    reading = reader.read("json -path join ")
    assert list(reading.words.without) == ["path"]
    assert [next(iter(term.words)) for term in reading.words.terms] == ["json", "join"]
    assert not reader.read("json -path").words.without


def test_a_text_of_nothing_but_exclusions_is_read_as_it_stands(reader: Reader) -> None:
    assert not reader.read("-path ").words.without


def test_long_texts_are_bounded(reader: Reader) -> None:
    assert len(reader.read("json " * 100_000).words.terms) == MOST_WORDS


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_read_and_weights_add_up(text: str, known: bool) -> None:
    reading = Reader(VOCABULARY if known else None).read(text)
    assert reading == Reader(VOCABULARY if known else None).read(text)
    if reading.endings:
        assert sum(ending.weight for ending in reading.endings) == pytest.approx(1)
    for term in reading.words.terms:
        assert all(0 < weight <= 1 for weight in term.words.values())
        assert 0 <= term.beginning_weight <= 1


@given(st.text(alphabet="gotempral jsdu.", max_size=30))
def test_a_space_behind_the_text_changes_nothing_but_its_last_word(text: str) -> None:
    reader = Reader(VOCABULARY)
    typed, closed = reader.read(text).words.terms, reader.read(text + " ").words.terms
    assert [sorted(term.words) for term in typed[:-4]] == [sorted(term.words) for term in closed[: len(typed[:-4])]]


@given(st.lists(st.text(alphabet='gotempral jsdu."-', max_size=30), min_size=2, max_size=4), st.booleans())
def test_an_earlier_reading_changes_nothing(typed: list[str], learned: bool) -> None:
    reader, before = Reader(VOCABULARY), None
    if learned:
        # Another vocabulary, whose words say nothing about these.
        before = Reader(Counts(tempoarl=3, og=1, jsn=9)).read(typed[0])
    for text in typed:
        before = reader.read(text, before)
        assert before == reader.read(text)


def test_a_slip_is_looked_for_once_in_a_session() -> None:
    vocabulary = Counts(temporal=5, json=9)
    asked: list[str] = []

    def similar(form: str, most: int) -> Sequence[str]:
        asked.append(form)
        return ["temporal"][:most]

    vocabulary.similar = similar  # type: ignore[method-assign]
    reader, before = Reader(vocabulary), None
    for text in ("tempoarl ", "tempoarl j", "tempoarl js", "tempoarl json tempoarl "):
        before = reader.read(text, before)
        assert before.corrections
    assert asked == ["tempoarl"]


@pytest.mark.parametrize("continuations", [1, 2, 5, 32])
def test_ways_to_finish_a_word_that_are_far_behind_the_others_are_not_encoded(continuations: int) -> None:
    even = {f"bread{letter}": 1 for letter in "abcdefghijklmnopqrstuvwxyzäöüßéè"}
    read = Reader(Counts(**even), continuations=continuations).read("bread")
    assert len(read.endings) == continuations
    # Square roots count, so the rare one is 1/300 as likely.
    read = Reader(Counts(breakfast=90_000, breakwater=1), continuations=continuations).read("brea")
    assert [text for text, _ in read.endings] == ["breakfast"]
    assert read.endings[0].weight == pytest.approx(1)
