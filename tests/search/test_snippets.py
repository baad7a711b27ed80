from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.search.marks import Marker, join
from typeahead.search.snippets import MIN_SNIPPET, snippet, snippet_and_places
from typeahead.search.sought import sought

FILLER = "some words that nobody looks for and that go on "


def cut(text: str, query: str, length: int, weights: Mapping[str, float] | None = None) -> str:
    return snippet(text, sought(query, (), weights), length)


def test_a_short_passage_is_sent_whole() -> None:
    assert cut("needle " * 10, "needle", 70) == "needle " * 10


def test_a_match_beyond_the_beginning_is_sent_with_what_stands_round_it() -> None:
    shown = cut(FILLER * 10 + "The Needle is here. " + FILLER * 10, "absent needle", 120)
    assert "Needle is here." in shown
    assert len(shown) <= 120
    assert shown.startswith("… ")
    assert shown.endswith("…")
    assert set(shown[2:-1].split()) <= set(f"{FILLER}The Needle is here.".split())
    assert shown.index("Needle") < 120 // 2


def test_a_match_at_the_end_is_sent_with_what_comes_before_it() -> None:
    shown = cut(FILLER * 10 + "needle", "needle", 120)
    assert (shown[:2], shown[-7:]) == ("… ", " needle")


@pytest.mark.parametrize("text", [FILLER * 20, "a needle " + FILLER * 20 + "needle", FILLER * 10 + "unneedled " * 30])
def test_without_a_match_beyond_it_the_beginning_is_sent(text: str) -> None:
    shown = cut(text, "needle", 120)
    assert shown.endswith("…")
    assert text.startswith(shown[:-1])
    assert text[len(shown) - 1] == " "


@pytest.mark.parametrize("word", ["ls", "IP", "v2", "x"])
def test_short_words_are_found_where_they_stand_whole(word: str) -> None:
    text = "lst ipx v20 xs " * 30 + f"then {word} again. " + FILLER * 9
    assert f" {word} " in cut(text, word, 120)


def test_the_most_different_words_win_then_the_closest_then_the_first() -> None:
    parts = ["read read", "a file", "to read a certain file", "read a file", "read a file."]
    text = f" {FILLER * 4}".join(parts)
    shown = cut(text, "read file", 60)
    assert "read a file" in shown
    assert text.index(shown.strip("… ")) < text.rindex("read a file") - 60


def test_a_single_letter_counts_beside_other_words_and_alone_where_nothing_else_is_asked_for() -> None:
    text = f"{FILLER * 5}vitamin. {FILLER * 5}vitamin C. {FILLER * 5}"
    assert "vitamin C" in cut(text, "vitamin c", 80)
    assert "vitamin C" in cut(text, "c", 80)
    assert text.startswith(cut(text, "absent c", 80)[:-1])


def test_a_rare_word_outweighs_several_frequent_ones() -> None:
    text = f"{FILLER * 5}list the file {FILLER * 5}with fallocate {FILLER * 5}"
    assert "list the file" in cut(text, "list file fallocate", 80)
    assert "fallocate" in cut(text, "list file fallocate", 80, {"fallocate": 9.0})


def test_a_word_for_itself_is_better_than_the_beginning_of_another() -> None:
    text = f"portable {FILLER * 5}importantly, the port is 5432 {FILLER * 5}"
    assert "port is 5432" in cut(text, "port", 80)
    assert cut(f"portable {FILLER * 9}", "port", 80).startswith("portable")


def test_common_words_count_only_where_nothing_else_is_asked_for() -> None:
    text = f"{FILLER * 5}It is what it was. {FILLER * 5}The needle. {FILLER * 5}"
    assert "needle" in cut(text, "what was the needle", 80)
    assert "what it was" in cut(text, "what was", 80)


@pytest.mark.parametrize(
    ("query", "shown"), [("ab1234", "AB-1234"), ("os.path.join", "os.path.join"), ("effect", "useEffect")]
)
def test_identifiers_are_found_whole_and_in_parts(query: str, shown: str) -> None:
    assert shown in cut(f"{FILLER * 9}now {shown} and {FILLER * 9}", query, 120)


def test_the_part_begins_with_the_sentence_that_holds_the_words() -> None:
    text = f"{FILLER * 5}End. Now comes a needle in hay. {FILLER * 5}"
    assert cut(text, "needle", 120).startswith("… Now comes a needle in hay.")


@pytest.mark.parametrize("more", ["", " é—", " 東京", " 한국"])
def test_the_whole_of_a_long_text_is_searched(more: str) -> None:
    text = FILLER * 80 + more + " the needle is here. " + FILLER * 80
    assert "needle is here" in cut(text, "needle", 120)


def test_accents_do_not_matter() -> None:
    assert "Café" in cut(FILLER * 10 + "Café " + FILLER * 10, "cafe", 100)
    assert "cafe" in cut(FILLER * 10 + "cafe " + FILLER * 10, "café", 100)


def test_a_huge_text_is_searched_up_to_a_bound_that_the_number_of_words_divides() -> None:
    text = FILLER * 2000 + "needle " + FILLER * 20_000 + "haystack " + FILLER
    assert "needle" in cut(text, "needle thread", 120)
    assert text.startswith(cut(text, "haystack", 120)[:-1])
    assert "needle" in cut("—" + text, "needle thread", 120)
    assert text.startswith(cut("é " + FILLER * 9000 + "naïve", "naïve", 120)[2:-1])


@given(texts, texts, st.integers(MIN_SNIPPET, 60))
def test_whatever_comes_fits_and_is_a_part_of_the_text(text: str, query: str, length: int) -> None:
    shown = cut(text, query, length)
    assert len(shown) <= length
    assert shown in text or shown.removeprefix("… ").removesuffix("…") in text


def test_scripts_without_spaces_match_anywhere_and_are_cut_anywhere() -> None:
    shown = cut("東" * 200 + "天気" + "京" * 200, "天気", 100)
    assert shown == "… 天気" + "京" * 95 + "…"


@pytest.mark.parametrize("length", range(MIN_SNIPPET, 60))
@pytest.mark.parametrize(
    "text", [FILLER * 3 + "needle " * 5, "x" * 50 + " needle" + "x" * 50, "İ" * 100 + " needle " * 9]
)
def test_a_snippet_is_never_longer_than_it_may_be_and_holds_something(length: int, text: str) -> None:
    shown = cut(text, "needle", length)
    assert len(shown) <= length
    assert shown.strip("… ")


_PIECES = st.one_of(
    st.sampled_from(
        [
            "egg ",
            "eggs. ",
            "Egg",
            "boil ",
            "un",
            "boilEgg ",
            "boil-egg ",
            "ab-aba ",
            "aba ",
            "b",
            " ",
            ". ",
            "e-g-g ",
            "é",
        ]
    ),
    st.text(alphabet="abeg-. Eé…\n'1", max_size=8),
)


@given(
    pieces=st.lists(_PIECES, min_size=3, max_size=60),
    query=st.sampled_from(["egg boil", "b", "aba", "ab-aba", "e eg", "egg b", "be1 a 1", "boilegg", "a"]),
    length=st.integers(MIN_SNIPPET, 60),
)
def test_the_places_in_a_cut_passage_are_those_that_are_found_in_it(pieces: list[str], query: str, length: int) -> None:
    marker = Marker(query)
    passage, stands = snippet_and_places("".join(pieces), marker.words, length)
    assert stands is None or join(stands) == marker.spans(passage)


def test_a_passage_that_is_cut_at_spaces_is_not_searched_again() -> None:
    passage, stands = snippet_and_places("an egg, " * 9 + "boil them, " * 5 + "an egg, " * 9, sought("boil egg"), 60)
    assert passage.startswith("… ")
    assert passage.endswith("…")
    assert stands
