from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.search import marks
from typeahead.search.marks import Marker


def marked(text: str, query: str) -> str:
    """The text with its marks drawn in."""
    drawn, done = "", 0
    for start, end in Marker(query).spans(text):
        drawn += f"{text[done:start]}[{text[start:end]}]"
        done = end
    return drawn + text[done:]


@pytest.mark.parametrize(
    ("query", "drawn"),
    [
        ("join", "os.path.[join]: [Join]s paths, not disjoint ones"),
        ("path_join", "a_[path], [join]"),
        ("the file", "read the [file] by the line"),
        ("to", "[to] be or not [to] be"),
        ("list as c", "[list] as [C], [c] code"),
        ("re", "[re]ad, [re]ply, are"),
        ("path jo", "[path] [jo]in, jaw"),
        ("path jo ", "[path] join, [jo]"),
        ("path j", "[path] join, [j]"),
        ("C++ 3", "[C]++ [3], 33 or c3"),
        ("+ ?!", "a + b"),
        ("   ", "a b"),
    ],
)
def test_a_word_of_the_query_marks_the_words_that_begin_with_it(query: str, drawn: str) -> None:
    assert marked(re.sub(r"[\[\]]", "", drawn), query) == drawn


@pytest.mark.parametrize(
    ("query", "drawn"),
    [
        ("cafe", "[Café] au lait, [CAFE\u0301], [cafe\u0301s"[:-1] + "]s"),
        ("cafe\u0301", "[Café] au lait"),
        ("RÉSUMÉ", "[resume]"),
        ("οδος", "[ΟΔΟΣ]"),
        ("strasse", "[Straße]nbahn"),
        ("straß", "[Strass]e"),
        ("istanbul", "[İstanbul]"),
    ],
)
def test_case_and_accents_do_not_matter_on_either_side(query: str, drawn: str) -> None:
    assert marked(re.sub(r"[\[\]]", "", drawn), query) == drawn


@pytest.mark.parametrize(
    ("query", "drawn"),
    [
        ("東京", "明日の[東京]都の天気、[東京]"),
        ("東京の天気", "明日の[東京]都の[天気]予報"),
        ("如何煮鸡蛋", "[如何]把[鸡蛋]煮熟"),
        ("日", "[日]本"),
        ("日日日", "[日日日]"),
        ("カメラの使い方", "[カメラ]を[使]う、カメ"),
        ("하", "[한]국어 배우기"),
        ("한국", "[한국]어"),
        ("สวัสดี", "[สวัสดี]ครับ"),
        ("كتاب", "[كِتَاب] جديد"),
        ("שלום", "[שָׁלוֹם] עולם"),
        ("हिन्दी", "[हिन्दी] भाषा"),
        ("𝐡𝐞", "[𝐡𝐞]𝐥𝐥𝐨 🥚"),
    ],
)
def test_scripts_are_marked_as_their_readers_see_words(query: str, drawn: str) -> None:
    assert marked(re.sub(r"[\[\]]", "", drawn), query) == drawn


TEXTS = st.text(st.sampled_from("aAbB _.é한하ㅎ字東の😀ßİ\u0301\u202eשً")) | texts


@given(TEXTS, TEXTS)
def test_spans_are_in_order_apart_and_within_the_text(text: str, query: str) -> None:
    spans = Marker(query).spans(text)
    places = [place for span in spans for place in span]
    assert places == sorted(places)
    assert len(places) == len(set(places))
    assert all(0 <= place <= len(text) for place in places)


@given(st.text(st.sampled_from("abAB ._"), max_size=30), st.text(st.sampled_from("ab _"), max_size=8))
def test_the_way_for_ascii_and_the_way_for_everything_agree(text: str, query: str) -> None:
    assert Marker(query).spans(text) == Marker(query).spans(f"{text} é")


@given(st.text(st.sampled_from("abAB ._"), max_size=30), st.text(st.sampled_from("ab"), min_size=1, max_size=3))
def test_one_word_marks_what_a_regular_expression_finds(text: str, query: str) -> None:
    if query == "a":
        query = "b"  # "a" is looked for alone too, but "ab" is no common word
    found = [match.span() for match in re.finditer(rf"(?i)(?<![^\W_]){query}", text)]
    assert Marker(query).spans(text) == found


def test_work_and_answer_are_bounded_whatever_is_sent() -> None:
    assert len(Marker("a").spans("a " * 500_000)) == 40
    assert len(Marker(" ".join(f"word{n}" for n in range(500)))._words) == 12
    assert Marker("字" * 100_000).spans("字" * 300)


def test_characters_that_were_seen_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_MAX_FOLDS", 100)
    assert Marker("é").spans("".join(map(chr, range(0x4E00, 0x5000))) + " é") == [(513, 514)]
    assert len(marks._folds) <= 100
