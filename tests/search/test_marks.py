from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.texts import texts
from typeahead.search.marks import Marker


def marked(text: str, query: str, also: Sequence[str] = ()) -> str:
    """The text with its marks drawn in."""
    drawn, done = "", 0
    for start, end in Marker(query, also=also).spans(text):
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
        ("json dumps", "[json].[dumps], [JSON]"),
        ("AB1234", "the [AB-1234] part, AB 1234, xab-1234"),
        ("ab-1234", "[AB1234], [AB] [1234]"),
        ("ab-12", "[AB12]34"),
        ("1234", "AB[1234], AB-[1234], c1234"),
        ("px", "20[px], 20p, [px]"),
        ("os.path.jo", "[os.path.jo]in, [os], [path]"),
        ("std::vec", "[std::vec]tor"),
        ("settimeo", "[set_timeo]ut"),
        ("set_timeo", "[setTimeo]ut"),
        ("effect", "use[Effect], HTTP[Effect], defect, DEFECT"),
        ("to json", "to[JSON]"),
        ("i/o", "[I/O], [IO], ion"),
        ("don't", "[don't], [dont]"),
        ("ip v2", "[IP], [v2], [V2].1, ipv"),
        ("café.naïve", "[CafeNaive], [café-naive]"),
        ("use", "[use], us-east"),
        ("wait", "wa...it"),
    ],
)
def test_identifiers_are_marked_whole_and_in_parts(query: str, drawn: str) -> None:
    assert marked(re.sub(r"[\[\]]", "", drawn), query) == drawn


def test_a_corrected_word_is_marked_beside_those_of_the_query() -> None:
    assert marked("Python has pythons", "read pyhton", ["python"]) == "[Python] has [python]s"
    assert marked("Read in Python", "read pyhton", ["python"]) == "[Read] in [Python]"


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


@given(st.text(st.sampled_from("abAB ._"), max_size=30), st.sampled_from("ab"))
def test_one_letter_marks_what_a_regular_expression_finds(text: str, query: str) -> None:
    begins = r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]))"
    found = [match.span() for match in re.finditer(f"{begins}(?i:{query})", text)]
    # Marks that touch are one.
    merged: list[tuple[int, int]] = []
    for start, end in found:
        if merged and merged[-1][1] == start:
            start = merged.pop()[0]
        merged.append((start, end))
    assert Marker(query).spans(text) == merged


def test_the_answer_is_bounded_whatever_is_sent() -> None:
    assert len(Marker("a").spans("a " * 500_000)) == 40
    assert Marker("字" * 100_000).spans("字" * 300)
