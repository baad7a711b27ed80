"""A long document is divided into passages that an encoder reads whole."""

from __future__ import annotations

import re
import types
from collections.abc import Sequence

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

import typeahead
from tests.text.growing import steps
from typeahead.text.boundaries import characters
from typeahead.text.dividing import Divider, divider_for
from typeahead.text.document import Document, Heading, Passage

WORDS = re.compile(r"\w+|[^\w\s]")


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(WORDS.findall(text)) for text in texts]


def count_bytes(texts: Sequence[str]) -> list[int]:
    return [len(text.encode()) for text in texts]


def texts_of(passages: Sequence[Passage]) -> list[str]:
    return [passage.text for passage in passages]


PARTS = st.sampled_from(
    [
        "word ",
        "Another one. ",
        "\n",
        "\n\n",
        "  ",
        "x" * 90,
        "漢字",
        "。",
        "e\u0301",
        "👨‍👩‍👧",
        "🇩🇪",
        "กำ",
        "각",
        "e.g. this, ",
        "- ",
    ]
)
TEXTS = st.lists(PARTS, max_size=120).map("".join)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    starts = draw(st.lists(st.integers(0, max(0, len(text) - 1)), max_size=6))
    headings = tuple(
        Heading(start, draw(st.integers(1, 4)), draw(st.sampled_from(["A", "B b", "long " * 9])), f"h{row}")
        for row, start in enumerate(starts)
    )
    return Document("a", draw(st.sampled_from(["", "Title", "A", "very " * 60])), text, headings=headings)


@given(documents(), st.integers(1, 60), st.sampled_from([count_words, count_bytes]))
@example(Document("a", "", "", headings=(Heading(0, 1, "H"),)), 1, count_words)
@settings(max_examples=150, deadline=None)
def test_passages_make_up_the_text_and_are_within_the_limit(document: Document, limit: int, count: object) -> None:
    assert callable(count)
    passages = Divider(count, limit).divide(document)
    assert "".join(texts_of(passages)) == document.text
    assert len(passages) == 1 or all(texts_of(passages))
    for passage in passages:
        (tokens,) = count([document.encoded(passage)])
        (head,) = count([document.encoded(Passage(" ", passage.path))])
        assert tokens <= limit or len(passage.text) == 1 or tokens <= head + max(1, limit // 4)


@given(TEXTS, st.integers(30, 60))
@settings(deadline=None)
def test_no_character_that_a_reader_sees_as_one_is_cut(text: str, limit: int) -> None:
    whole = {0} | {match.end() for match in regex.finditer(r"\X", text)}
    at = 0
    for passage in Divider(count_words, limit).divide(Document("a", "", text)):
        at += len(passage.text)
        assert at in whole


@given(st.text(alphabet="a\r\n\u0301\u200d👩👍🏽🇩กำ각\u1100\u1161\u11a8न\u094dि\u0600ﾞ", max_size=60))
@settings(max_examples=200, deadline=None)
def test_places_between_characters_are_those_of_the_standard(text: str) -> None:
    whole = {match.end() for match in regex.finditer(r"\X", text)}
    longest = max([0, *(len(match[0]) for match in regex.finditer(r"\X", text))])
    assert set(characters(text, 0, len(text), max(12, longest * 2))) <= whole


def test_a_short_document_is_one_passage_without_path_and_anchor() -> None:
    document = Document("a", "T", "One\ntext", headings=(Heading(0, 2, "One", "one"),))
    assert Divider(count_words, 3).divide(document) == (Passage("One\ntext"),)


def test_a_passage_has_the_headings_above_it_and_the_anchor_of_its_section() -> None:
    text, headings = "", []
    for level, name in [(1, "A"), (2, "B"), (2, "C"), (1, "D")]:
        headings.append(Heading(len(text), level, name, name.lower()))
        text += f"{name}\n" + "word " * 20 + "\n\n"
    passages = Divider(count_words, 24).divide(Document("x", "T", text, headings=tuple(headings)))
    assert [(passage.path, passage.anchor, passage.text[0]) for passage in passages] == [
        (("A",), "a", "A"),
        (("A", "B"), "b", "B"),
        (("A", "C"), "c", "C"),
        (("D",), "d", "D"),
    ]


def test_small_sections_share_a_passage_with_the_headings_above_them_all() -> None:
    text, headings = "", []
    for level, name in [(1, "A"), *((2, f"B{row}") for row in range(8))]:
        headings.append(Heading(len(text), level, name, name.lower()))
        text += f"{name}\nword word\n\n"
    passages = Divider(count_words, 14).divide(Document("x", "T", text, headings=tuple(headings)))
    assert len(passages) == 3
    assert [passage.path for passage in passages] == [("A",)] * 3
    assert [passage.anchor for passage in passages] == ["a", "b2", "b5"]


def test_the_title_is_not_repeated_as_a_heading() -> None:
    text = "T\n" + "word " * 50
    passages = Divider(count_words, 20).divide(Document("x", "T", text, headings=(Heading(0, 1, "T", "t"),)))
    assert {passage.path for passage in passages} == {()}


def test_cuts_are_at_paragraphs_before_sentences_and_at_sentences_before_words() -> None:
    sentence = "One two three four five six seven. "
    paragraph = sentence * 3 + "\n\n"
    by_paragraph = Divider(count_words, 60).divide(Document("x", "", paragraph * 8))
    assert all(passage.text.endswith("\n\n") for passage in by_paragraph)
    by_sentence = Divider(count_words, 60).divide(Document("x", "", sentence * 40))
    assert all(passage.text.endswith("seven. ") for passage in by_sentence)
    by_word = Divider(count_words, 60).divide(Document("x", "", "word " * 500))
    assert all(passage.text.endswith("word ") for passage in by_word)


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    text = ("Some words here e.g. " + "more " * 6 + "and so on, as far as it goes today. ") * 6
    passages = Divider(count_words, 30).divide(Document("x", "", text))
    assert all(passage.text.endswith("today. ") for passage in passages)


@pytest.mark.parametrize("words", [101, 120, 199, 201, 350])
def test_passages_are_of_like_size(words: int) -> None:
    counts = count_words(texts_of(Divider(count_words, 100).divide(Document("x", "", "a bc. " * (words // 3)))))
    assert min(counts) * 2 > max(counts)


def test_a_heading_is_not_parted_from_its_text() -> None:
    text = "".join(f"Part {row}\n" + "word " * 40 + "\n\n" for row in range(20))
    headings = tuple(Heading(match.start(), 2, match[0]) for match in re.finditer(r"Part \d+", text))
    for passage in Divider(count_words, 32).divide(Document("x", "T", text, headings=headings)):
        assert not re.search(r"Part \d+\n$", passage.text)


@pytest.mark.parametrize("unit", ["word ", "a\n", "x", "漢字", "🇩🇪", "\u0301", " ", ". ", "x。"])
def test_the_time_taken_is_linear_in_the_text(unit: str) -> None:
    def divide(length: int) -> None:
        Divider(count_words, 64).divide(Document("x", "", unit * (length // len(unit))))

    assert steps(lambda: divide(32_000)) < 3 * steps(lambda: divide(16_000))


def test_the_divider_of_an_encoder_counts_its_word_pieces() -> None:
    encoder = typeahead.load("minilm-doc")
    document = Document("x", "Tokens", "unbelievably antidisestablishmentarian words. " * 100)
    passages = divider_for(encoder).divide(document)
    lengths = [len(encoder.tokenizer.encode(document.encoded(passage))) for passage in passages]
    assert max(lengths) <= encoder.config.max_tokens < 2 * min(lengths)


def test_a_lone_surrogate_is_left_to_the_encoder_that_names_it() -> None:
    assert divider_for(typeahead.load("minilm-doc")).divide(Document("x", "", "a\ud800b")) == (Passage("a\ud800b"),)


def test_an_encoder_without_a_tokenizer_is_given_fewer_bytes_than_it_reads_tokens() -> None:
    encoder = types.SimpleNamespace(config=types.SimpleNamespace(max_tokens=20))
    lengths = [len(text) for text in texts_of(divider_for(encoder).divide(Document("x", "", "word " * 240)))]
    assert 30 < min(lengths) <= max(lengths) <= 60


def test_a_limit_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        Divider(count_words, 0)
