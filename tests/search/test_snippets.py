from __future__ import annotations

import pytest

from typeahead.search.snippets import MIN_SNIPPET, snippet, telling_words

FILLER = "some words that nobody looks for and that go on "


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("How do I Boil an EGGS boil", ["boil", "eggs"]),
        ("what is the weather", ["weather"]),
        ("天気", ["天気"]),
        ("İstanbul", ["istanbul"]),
        ("os.path.join", ["path", "join"]),
        ("  ?! ", []),
        ("a b c", []),
    ],
)
def test_the_words_worth_finding_are_the_long_and_uncommon_ones(query: str, words: list[str]) -> None:
    assert telling_words(query) == words


def test_a_query_of_many_words_costs_no_more_than_one_of_a_few() -> None:
    assert len(telling_words(" ".join(f"word{n}" for n in range(500)))) == 8


def test_a_short_passage_is_sent_whole() -> None:
    assert snippet("needle " * 10, ["needle"], 70) == "needle " * 10


def test_a_match_beyond_the_beginning_is_sent_with_what_stands_round_it() -> None:
    cut = snippet(FILLER * 10 + "The Needle is here. " + FILLER * 10, ["absent", "needle"], 120)
    assert "Needle is here." in cut
    assert len(cut) <= 120
    assert cut.startswith("… ")
    assert cut.endswith("…")
    assert set(cut[2:-1].split()) <= set(f"{FILLER}The Needle is here.".split())
    assert cut.index("Needle") < 120 // 2


def test_a_match_at_the_end_is_sent_with_what_comes_before_it() -> None:
    cut = snippet(FILLER * 10 + "needle", ["needle"], 120)
    assert (cut[:2], cut[-7:]) == ("… ", " needle")


@pytest.mark.parametrize("text", [FILLER * 20, "a needle " + FILLER * 20 + "needle", FILLER * 10 + "unneedled " * 30])
def test_without_a_match_beyond_it_the_beginning_is_sent(text: str) -> None:
    cut = snippet(text, ["needle"], 120)
    assert cut.endswith("…")
    assert text.startswith(cut[:-1])
    assert text[len(cut) - 1] == " "


def test_a_match_is_not_looked_for_in_the_whole_of_a_huge_passage() -> None:
    text = FILLER * 1000 + "needle " * 100
    assert text.startswith(snippet(text, ["needle"], 120)[:-1])


def test_scripts_without_spaces_match_anywhere_and_are_cut_anywhere() -> None:
    cut = snippet("東" * 200 + "天気" + "京" * 200, ["天気"], 100)
    assert cut == "… 天気" + "京" * 95 + "…"


@pytest.mark.parametrize("length", range(MIN_SNIPPET, 60))
@pytest.mark.parametrize(
    "text", [FILLER * 3 + "needle " * 5, "x" * 50 + " needle" + "x" * 50, "İ" * 100 + " needle " * 9]
)
def test_a_snippet_is_never_longer_than_it_may_be_and_holds_something(length: int, text: str) -> None:
    cut = snippet(text, ["needle"], length)
    assert len(cut) <= length
    assert cut.strip("… ")
